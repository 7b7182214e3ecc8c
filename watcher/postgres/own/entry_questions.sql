-- hypothetical_entry --
-- Everything that would decide about an entry if this user made one with this image just now: it would come after all
-- others. Where a crucible takes a number of entries, no more places than these are counted.
SELECT
{rule_columns},
{fact_columns},
    CASE WHEN crucible."maxTotalEntries" IS NULL THEN 0
         ELSE (SELECT count(*)
                 FROM (SELECT FROM {schema}.entry_verdict one
                        WHERE one.crucible_id = crucible.id AND {one_holds}
                        LIMIT greatest(crucible."maxTotalEntries", 0)) taken)
    END AS earlier_in_all,
    CASE WHEN {is_closed} THEN false END AS competes
FROM public."Crucible" crucible
CROSS JOIN (
    SELECT 0 AS id, %(user)s::int AS "userId", %(image)s::int AS "imageId", %(crucible)s::int AS "crucibleId",
           (now() AT TIME ZONE 'UTC')::timestamp(3) AS "createdAt", NULL::text AS "buzzTransactionId"
) entry
LEFT JOIN public."Image" image ON image.id = entry."imageId"
LEFT JOIN {schema}.entry_verdict seen ON false
LEFT JOIN {schema}.entry_fee fee ON false
WHERE crucible.id = %(crucible)s

-- entries_of_user --
-- The newest entries of a user in a crucible and how they stand, withdrawn ones too, whose rows are gone. A crucible
-- without any has one row of NULL; one that does not exist has none. Where verdicts keep nobody out, everybody is in.
SELECT own.*
FROM public."Crucible" crucible
LEFT JOIN LATERAL (
    SELECT entry.id AS entry_id, entry."imageId" AS image_id,
           CASE WHEN NOT seen.enforced AND seen.verdict <> 'withdrawn' THEN 'admitted' ELSE seen.verdict END AS verdict,
           seen.reasons, coalesce(seen.fee, 0) AS fee,
           CASE WHEN seen.enforced THEN (extract(epoch FROM seen.waiting_since) * 1000)::bigint END AS waiting_ms
      FROM public."CrucibleEntry" entry
      LEFT JOIN {schema}.entry_verdict seen ON seen.entry_id = entry.id AND seen.crucible_id = crucible.id
     WHERE entry."crucibleId" = crucible.id AND entry."userId" = %(user)s
    UNION ALL
    SELECT seen.entry_id, seen.image_id, seen.verdict, seen.reasons, seen.fee, NULL
      FROM {schema}.entry_verdict seen
     WHERE seen.crucible_id = crucible.id AND seen.user_id = %(user)s AND seen.verdict = 'withdrawn'
       AND NOT EXISTS (SELECT FROM public."CrucibleEntry" entry WHERE entry.id = seen.entry_id)
    ORDER BY entry_id DESC
    LIMIT %(most)s
) own ON true
WHERE crucible.id = %(crucible)s
ORDER BY own.entry_id DESC
