-- crucible --
-- A crucible that Redis does not hold: unknown, finished, or about to be brought back.
SELECT
    id,
    name,
    status::text AS status,
    "nsfwLevel"  AS level,
    (extract(epoch FROM "startAt") * 1000)::bigint AS start_ms,
    (extract(epoch FROM "endAt") * 1000)::bigint   AS end_ms,
    (
        SELECT coalesce(sum("voteCount"), 0)::bigint / 2 FROM public."CrucibleEntry" WHERE "crucibleId" = "Crucible".id
    ) AS votes
FROM public."Crucible"
WHERE id = %(crucible)s

-- final_standings --
-- The order in which a finished crucible's entries were placed; before positions are written, the order that they will
-- have.
SELECT id, score, "voteCount" AS votes, count(*) OVER () AS total
FROM public."CrucibleEntry"
WHERE "crucibleId" = %(crucible)s
ORDER BY position ASC NULLS LAST, score DESC, "createdAt" ASC, id ASC
LIMIT %(limit)s OFFSET %(offset)s

-- final_entry --
-- One entry of a finished crucible, with its place.
SELECT id, image, score, votes, rank
FROM (
    SELECT id, "imageId" AS image, score, "voteCount" AS votes,
        row_number() OVER (ORDER BY position ASC NULLS LAST, score DESC, "createdAt" ASC, id ASC) AS rank
    FROM public."CrucibleEntry"
    WHERE "crucibleId" = %(crucible)s
) placed
WHERE id = %(entry)s
