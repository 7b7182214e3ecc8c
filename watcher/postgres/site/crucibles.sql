-- fragment in_result --
-- Once places are written, those have one that took part and were shown then; before, those that would.
(entry.position IS NOT NULL OR NOT EXISTS (
    SELECT FROM public."CrucibleEntry" placed WHERE placed."crucibleId" = %(crucible)s AND placed.position IS NOT NULL
))

-- crucible --
-- A crucible that Redis does not hold: unknown, finished, or about to be brought back.
SELECT
    crucible.id,
    crucible.name,
    crucible.status::text AS status,
    crucible."nsfwLevel"  AS level,
    {start_ms} AS start_ms,
    {end_ms} AS end_ms,
    (
        SELECT coalesce(sum("voteCount"), 0)::bigint / 2 FROM public."CrucibleEntry" WHERE "crucibleId" = crucible.id
    ) AS votes
FROM public."Crucible" crucible
WHERE crucible.id = %(crucible)s

-- final_standings --
-- The order in which a finished crucible's entries were placed; before positions are written, the order that they will
-- have. The same entries have a place as in a live crucible, those whose images are shown in it.
SELECT entry.id, entry.score, entry."voteCount" AS votes
FROM public."CrucibleEntry" entry
JOIN public."Crucible" crucible ON crucible.id = entry."crucibleId"
JOIN public."Image" image ON image.id = entry."imageId"
WHERE entry."crucibleId" = %(crucible)s AND {visible_image} AND {in_result}
ORDER BY entry.position ASC NULLS LAST, entry.score DESC, entry."createdAt" ASC, entry.id ASC
LIMIT %(limit)s OFFSET %(offset)s

-- final_count --
-- How many entries have a place, and whether places are written down; a page past the end has no row to tell it.
SELECT count(*) AS total, coalesce(bool_or(entry.position IS NOT NULL), false) AS placed
FROM public."CrucibleEntry" entry
JOIN public."Crucible" crucible ON crucible.id = entry."crucibleId"
JOIN public."Image" image ON image.id = entry."imageId"
WHERE entry."crucibleId" = %(crucible)s AND {visible_image} AND {in_result}

-- final_entry --
-- One entry of a finished crucible, with its place; without one if its image is not shown.
SELECT id, image, score, votes, CASE WHEN admitted THEN rank END AS rank
FROM (
    SELECT shown.*,
        row_number() OVER (
            PARTITION BY admitted ORDER BY position ASC NULLS LAST, score DESC, created ASC, id ASC
        ) AS rank
    FROM (
        SELECT
            entry.id,
            entry."imageId"   AS image,
            entry.score,
            entry."voteCount" AS votes,
            entry.position,
            entry."createdAt" AS created,
            {visible_image} AND {in_result} AS admitted
        FROM public."CrucibleEntry" entry
        JOIN public."Crucible" crucible ON crucible.id = entry."crucibleId"
        LEFT JOIN public."Image" image ON image.id = entry."imageId"
        WHERE entry."crucibleId" = %(crucible)s
    ) shown
) placed
WHERE id = %(entry)s
