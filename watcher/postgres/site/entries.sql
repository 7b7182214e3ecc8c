-- arrived --
-- What decides about entries that have just arrived: their images' moderation and their crucibles' levels.
SELECT
    arrived.crucible,
    arrived.entry,
    arrived.image,
    crucible."nsfwLevel",
    image.id IS NOT NULL,
    {moderation}
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS arrived (crucible, entry, image)
JOIN public."Crucible" crucible ON crucible.id = arrived.crucible
LEFT JOIN public."Image" image ON image.id = arrived.image

-- open_crucibles --
-- Crucibles that have judges, or will have.
SELECT id, "nsfwLevel" FROM public."Crucible" WHERE status IN ('Pending', 'Active') ORDER BY id

-- entries --
-- A page of a crucible's entries, gathered by what the site says of their images: few rows, however many entries.
SELECT
    image.id IS NOT NULL,
    {moderation},
    array_agg(entry.id),
    array_agg(entry."imageId")
FROM (
    SELECT id, "imageId" FROM public."CrucibleEntry" WHERE "crucibleId" = %s AND id > %s ORDER BY id LIMIT %s
) entry
LEFT JOIN public."Image" image ON image.id = entry."imageId"
GROUP BY 1, 2, 3, 4, 5, 6
