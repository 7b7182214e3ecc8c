-- arrived --
-- What decides about entries that have just arrived: verdict, image's moderation, crucible's level. One about which
-- nothing was decided is missing.
SELECT
    arrived.crucible,
    arrived.entry,
    arrived.image,
    crucible."nsfwLevel",
    {takes_part},
    image.id IS NOT NULL,
    {moderation}
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS arrived (crucible, entry, image)
JOIN public."Crucible" crucible ON crucible.id = arrived.crucible
JOIN {schema}.entry_verdict verdict ON verdict.entry_id = arrived.entry
LEFT JOIN public."Image" image ON image.id = arrived.image

-- open_crucibles --
-- Crucibles that have judges, or will have.
SELECT id, "nsfwLevel" FROM public."Crucible" WHERE status IN ('Pending', 'Active') ORDER BY id

-- entries --
-- A page of a crucible's entries, gathered by what the site says of their images: few rows, however many entries.
-- One about which nothing was decided is passed over: it is neither let in nor taken out.
SELECT
    entry.takes_part,
    image.id IS NOT NULL,
    {moderation},
    array_agg(entry.id),
    array_agg(entry."imageId")
FROM (
    SELECT entry.id, entry."imageId", {takes_part} AS takes_part
    FROM public."CrucibleEntry" entry
    JOIN {schema}.entry_verdict verdict ON verdict.entry_id = entry.id
    WHERE entry."crucibleId" = %s AND entry.id > %s
    ORDER BY entry.id
    LIMIT %s
) entry
LEFT JOIN public."Image" image ON image.id = entry."imageId"
GROUP BY 1, 2, 3, 4, 5, 6, 7
