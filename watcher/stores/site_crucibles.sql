-- crucible --
-- A crucible that Redis does not hold: unknown, finished, or about to be brought back.
SELECT id, name, status::text AS status, "nsfwLevel" AS level, "startAt" AS starts, "endAt" AS ends,
    (SELECT count(*) FROM public."CrucibleEntry" WHERE "crucibleId" = "Crucible".id) AS entries,
    (SELECT coalesce(sum("voteCount"), 0) / 2 FROM public."CrucibleEntry" WHERE "crucibleId" = "Crucible".id)::bigint AS votes
FROM public."Crucible"
WHERE id = %(crucible)s

-- final_standings --
-- The order in which a finished crucible's entries were placed; before positions are written, the order that they will
-- have.
SELECT id, "userId" AS "user", score, "voteCount" AS votes
FROM public."CrucibleEntry"
WHERE "crucibleId" = %(crucible)s
ORDER BY position ASC NULLS LAST, score DESC, "createdAt" ASC, id ASC
LIMIT %(limit)s OFFSET %(offset)s

-- final_entry --
-- One entry of a finished crucible, with its place.
SELECT id, "user", image, score, votes, rank
FROM (
    SELECT id, "userId" AS "user", "imageId" AS image, score, "voteCount" AS votes,
        row_number() OVER (ORDER BY position ASC NULLS LAST, score DESC, "createdAt" ASC, id ASC) AS rank
    FROM public."CrucibleEntry"
    WHERE "crucibleId" = %(crucible)s
) placed
WHERE id = %(entry)s
