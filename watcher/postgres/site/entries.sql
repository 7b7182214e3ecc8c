-- arrived --
-- What decides about entries that have just arrived: verdict (NULL where it is to be waited for), image's moderation,
-- crucible's level. One that was moved waits for its verdict there: the crucible's rules are others.
SELECT
    arrived.crucible,
    arrived.entry,
    arrived.image,
    crucible."nsfwLevel",
    coalesce({takes_part}, %s),
    image.id IS NOT NULL,
    {moderation}
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS arrived (crucible, entry, image)
JOIN public."Crucible" crucible ON crucible.id = arrived.crucible
LEFT JOIN {schema}.entry_verdict verdict
       ON verdict.entry_id = arrived.entry AND verdict.crucible_id = arrived.crucible
LEFT JOIN public."Image" image ON image.id = arrived.image

-- open_crucibles --
-- Crucibles that have judges, or will have.
SELECT id, "nsfwLevel" FROM public."Crucible" WHERE status IN ('Pending', 'Active') ORDER BY id

-- entries --
-- A page of a crucible's entries, gathered by what the site says of their images: few rows, however many entries.
SELECT
    entry.takes_part,
    image.id IS NOT NULL,
    {moderation},
    array_agg(entry.id),
    array_agg(entry."imageId")
FROM (
    SELECT entry.id, entry."imageId", coalesce({takes_part}, %s) AS takes_part
    FROM public."CrucibleEntry" entry
    LEFT JOIN {schema}.entry_verdict verdict
           ON verdict.entry_id = entry.id AND verdict.crucible_id = entry."crucibleId"
    WHERE entry."crucibleId" = %s AND entry.id > %s
    ORDER BY entry.id
    LIMIT %s
) entry
LEFT JOIN public."Image" image ON image.id = entry."imageId"
GROUP BY 1, 2, 3, 4, 5, 6, 7
