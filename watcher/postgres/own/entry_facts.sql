-- fragment one_holds --
-- Whether "one" holds a place: who waits because it found none, waits without.
(one.verdict = 'admitted' OR one.verdict = 'waiting'
                             AND NOT one.reasons && ARRAY['total_limit', 'user_limit', 'image_entered_already'])

-- fragment seen_holds --
-- The same of the verdict so far.
(seen.verdict = 'admitted' OR seen.verdict = 'waiting'
                              AND NOT seen.reasons && ARRAY['total_limit', 'user_limit', 'image_entered_already'])

-- fragment fact_columns --
-- Everything that decides about "entry", but for its crucible and the places taken there: the image with its resources,
-- the fee, the verdict so far, and who came before. One that holds a place counts those before it; one that does not, all,
-- and whoever comes from another crucible, user or image holds none of these.
    entry.id              AS entry_id,
    entry."userId"        AS user_id,
    entry."imageId"       AS image_id,
    (extract(epoch FROM greatest(least(entry."createdAt", {LAST_MOMENT}), {FIRST_MOMENT})) * 1000)::bigint AS created_ms,
    -- What was paid for one entry is not paid for another, and what went back for none.
    CASE WHEN NOT EXISTS (
        SELECT FROM {schema}.entry_fee one
         WHERE one.prefix = entry."buzzTransactionId" AND (one.entry_id <> entry.id OR one.returned)
    ) THEN entry."buzzTransactionId" END AS site_prefix,
    image."userId"        AS owner_id,
    image."nsfwLevel"     AS image_level,
    image.ingestion::text AS ingestion,
    image.type::text      AS image_type,
    image."blockedFor"    AS blocked_for,
    ARRAY(
        SELECT used."modelVersionId" FROM public."ImageResourceNew" used WHERE used."imageId" = entry."imageId"
    )                     AS resources,
    fee.prefix,
    fee.source,
    fee.payment,
    fee.collected,
    seen.verdict,
    seen.reasons,
    nullif(seen.image_id, entry."imageId") AS image_before,
    nullif(seen.crucible_id, entry."crucibleId") AS crucible_before,
    nullif(seen.user_id, entry."userId") AS user_before,
    CASE WHEN seen.entered_at <> least(greatest(entry."createdAt", {FIRST_MOMENT}), {LAST_MOMENT})
         THEN (extract(epoch FROM seen.entered_at) * 1000)::bigint END AS created_before_ms,
    seen.enforced,
    (SELECT count(*) FROM {schema}.entry_verdict one
      WHERE one.crucible_id = entry."crucibleId" AND one.user_id = entry."userId" AND one.entry_id <> entry.id
        AND {one_holds}
        AND (NOT coalesce({seen_holds} AND (seen.crucible_id, seen.user_id) = (entry."crucibleId", entry."userId"), false)
             OR (one.entered_at, one.entry_id) < (entry."createdAt", entry.id))) AS earlier_of_user,
    (SELECT count(*) FROM {schema}.entry_verdict one
      WHERE one.crucible_id = entry."crucibleId" AND one.image_id = entry."imageId" AND one.entry_id <> entry.id
        AND {one_holds}
        AND (NOT coalesce({seen_holds} AND (seen.crucible_id, seen.image_id) = (entry."crucibleId", entry."imageId"), false)
             OR (one.entered_at, one.entry_id) < (entry."createdAt", entry.id))) AS earlier_of_image

-- fragment facts_digest --
-- One number for everything of "entry" and "image" that decides, so that a sweep finds what has changed without reading it.
hashtextextended(ROW(
    entry."crucibleId", entry."userId", entry."imageId", extract(epoch FROM entry."createdAt"), entry."buzzTransactionId",
    image."userId", image."nsfwLevel", image.ingestion, image.type, image."blockedFor",
    (SELECT string_agg(used."modelVersionId"::text, ',' ORDER BY used."modelVersionId")
       FROM public."ImageResourceNew" used WHERE used."imageId" = entry."imageId")
)::text, 0)

-- fragment rule_columns --
-- What "crucible" says of entering it; infinity is no end. Once there is a result it is Completed, whatever its row says.
    CASE WHEN EXISTS (SELECT FROM {schema}.settlement
                       WHERE settlement.crucible_id = crucible.id AND settlement.settled_at IS NOT NULL)
         THEN 'Completed' ELSE crucible.status::text END,
    crucible."nsfwLevel" AS level,
    CASE WHEN crucible."startAt" > {FIRST_MOMENT}
         THEN (extract(epoch FROM least(crucible."startAt", {LAST_MOMENT})) * 1000)::bigint END AS start_ms,
    CASE WHEN crucible."endAt" < {LAST_MOMENT}
         THEN (extract(epoch FROM greatest(crucible."endAt", {FIRST_MOMENT})) * 1000)::bigint END AS end_ms,
    crucible."entryFee"  AS entry_fee,
    crucible."entryLimit" AS entry_limit,
    crucible."maxTotalEntries" AS max_total_entries,
    crucible."allowedResources"::text AS allowed_resources

-- fragment is_closed --
-- Whether it is fixed who competes in "crucible".
EXISTS (SELECT FROM {schema}.settlement
         WHERE settlement.crucible_id = crucible.id AND settlement.competitors IS NOT NULL)

-- lock_crucibles --
-- Nobody else decides about these crucibles and those of these entries, as their rows and as their verdicts have them,
-- until the end of the transaction. In ascending order: two who lock several would wait for each other in another one.
SELECT crucible_id, pg_advisory_xact_lock(hashtextextended(%(prefix)s || crucible_id, 0))::text
  FROM (SELECT unnest(%(crucibles)s::int[]) AS crucible_id
        UNION
        SELECT "crucibleId" FROM public."CrucibleEntry" WHERE id = ANY(%(entries)s)
        UNION
        SELECT seen.crucible_id FROM {schema}.entry_verdict seen WHERE seen.entry_id = ANY(%(entries)s)
        ORDER BY 1
        OFFSET 0) told

-- entry_facts --
-- Some entries with all that decides about them, in their crucibles' order; unless all of them are asked for, only those
-- about which nothing was decided, or with something else in mind.
WITH taken AS MATERIALIZED (
    SELECT one.crucible_id, count(*)::int AS places
      FROM {schema}.entry_verdict one
      JOIN public."Crucible" crucible ON crucible.id = one.crucible_id AND crucible."maxTotalEntries" IS NOT NULL
     WHERE one.crucible_id = ANY(%(crucibles)s) AND {one_holds}
     GROUP BY 1
), holding AS (
    SELECT entry.id, entry."crucibleId" AS crucible_id, entry."createdAt" AS at, seen.entered_at < entry."createdAt" AS is_later,
           lag(entry."createdAt", 1, '-infinity') OVER in_order AS at_before, lag(entry.id, 1, 0) OVER in_order AS id_before
      FROM public."CrucibleEntry" entry
      JOIN public."Crucible" crucible ON crucible.id = entry."crucibleId" AND crucible."maxTotalEntries" IS NOT NULL
      JOIN {schema}.entry_verdict seen ON seen.entry_id = entry.id AND seen.crucible_id = entry."crucibleId"
     WHERE entry.id = ANY(%(entries)s) AND entry."crucibleId" = ANY(%(crucibles)s) AND {seen_holds}
    WINDOW in_order AS (PARTITION BY entry."crucibleId" ORDER BY entry."createdAt", entry.id)
), earlier AS MATERIALIZED (
    -- Places before those of a page, counted from one of them to the next: once for the page. Who is dated later than its
    -- verdict says is among those before it, and is not one of them.
    SELECT id, sum(between_them.places) OVER (PARTITION BY crucible_id ORDER BY at, id)::int - is_later::int AS places
      FROM holding
     CROSS JOIN LATERAL (SELECT count(*) AS places FROM {schema}.entry_verdict one
                          WHERE one.crucible_id = holding.crucible_id AND {one_holds}
                            AND (one.entered_at, one.entry_id) >= (at_before, id_before)
                            AND (one.entered_at, one.entry_id) < (at, id)) between_them
)
SELECT
    crucible.id AS crucible_id,
    now.digest AS facts_digest,
{rule_columns},
{fact_columns},
    CASE WHEN crucible."maxTotalEntries" IS NULL THEN 0
         WHEN NOT coalesce({seen_holds} AND seen.crucible_id = entry."crucibleId", false)
         THEN coalesce((SELECT taken.places FROM taken WHERE taken.crucible_id = crucible.id), 0)
         ELSE (SELECT earlier.places FROM earlier WHERE earlier.id = entry.id)
    END AS earlier_in_all,
    CASE WHEN {is_closed}
         THEN (entry."crucibleId", entry.id) IN (SELECT one.crucible_id, unnest(one.competitors)
                                                   FROM {schema}.settlement one
                                                  WHERE one.crucible_id = ANY(%(crucibles)s)) END AS competes
FROM public."CrucibleEntry" entry
JOIN public."Crucible" crucible ON crucible.id = entry."crucibleId"
LEFT JOIN public."Image" image ON image.id = entry."imageId"
LEFT JOIN {schema}.entry_verdict seen ON seen.entry_id = entry.id
LEFT JOIN {schema}.entry_fee fee ON fee.entry_id = entry.id AND NOT fee.returned
LEFT JOIN {schema}.entry_digest known ON known.entry_id = entry.id
CROSS JOIN LATERAL (SELECT {facts_digest} AS digest) now
WHERE entry.id = ANY(%(entries)s) AND entry."crucibleId" = ANY(%(crucibles)s)
  AND coalesce(seen.crucible_id = ANY(%(crucibles)s), true) -- it was moved twice at once: a place there is not ours to give
  AND (%(again)s OR seen.entry_id IS NULL OR known.digest IS DISTINCT FROM now.digest)
ORDER BY entry."crucibleId", entry."createdAt", entry.id

-- vanished_facts --
-- Some entries whose row is gone, if their crucible had not ended when it was last looked at: they are withdrawn. So are
-- those whose row was another one, if the caller knows.
SELECT seen.entry_id, seen.crucible_id, seen.user_id, seen.image_id,
       (extract(epoch FROM seen.entered_at) * 1000)::bigint, seen.verdict, seen.reasons,
       fee.prefix, fee.source, fee.payment, fee.collected
  FROM {schema}.entry_verdict seen
  LEFT JOIN {schema}.entry_fee fee ON fee.entry_id = seen.entry_id AND NOT fee.returned
  LEFT JOIN {schema}.entry_crucible known ON known.crucible_id = seen.crucible_id
  LEFT JOIN public."Crucible" crucible ON crucible.id = seen.crucible_id
 WHERE seen.entry_id = ANY(%(entries)s) AND seen.crucible_id = ANY(%(crucibles)s)
   AND seen.verdict IN ('waiting', 'admitted')
   AND known.status IS DISTINCT FROM 'Completed' AND crucible.status IS DISTINCT FROM 'Completed'
   AND NOT EXISTS (SELECT FROM {schema}.settlement
                    WHERE settlement.crucible_id = seen.crucible_id AND settlement.settled_at IS NOT NULL)
   AND (%(another)s OR NOT EXISTS (SELECT FROM public."CrucibleEntry" entry WHERE entry.id = seen.entry_id))
 ORDER BY seen.crucible_id, seen.entered_at, seen.entry_id
