-- Scores, places and prizes of crucibles that have a result, worked out a second time from the site's rows alone: in the
-- order of ratings, and by whole numbers of PostgreSQL's numeric.
WITH placed AS (
    SELECT entry."crucibleId" AS crucible, entry.id, entry."userId" AS user_id,
           row_number() OVER (PARTITION BY entry."crucibleId" ORDER BY entry.score DESC, entry."createdAt", entry.id)::int
               AS position
      FROM "CrucibleEntry" entry
      JOIN SCHEMA.settlement one ON one.crucible_id = entry."crucibleId" AND one.settled_at IS NOT NULL
     WHERE entry.position IS NOT NULL
), shares AS (
    SELECT crucible.id AS crucible, share.key::int AS position, share.value::numeric AS percentage
      FROM "Crucible" crucible, jsonb_each_text(crucible."prizePositions") share
     WHERE jsonb_typeof(crucible."prizePositions") = 'object'
    UNION ALL
    SELECT crucible.id, (share ->> 'position')::int, (share ->> 'percentage')::numeric
      FROM "Crucible" crucible, jsonb_array_elements(crucible."prizePositions") share
     WHERE jsonb_typeof(crucible."prizePositions") = 'array'
)
SELECT placed.crucible, placed.id, placed.position,
       coalesce(floor(shares.percentage * one.pool / 100), 0)::int AS prize
  FROM placed
  JOIN SCHEMA.settlement one ON one.crucible_id = placed.crucible
  LEFT JOIN shares ON shares.crucible = placed.crucible AND shares.position = placed.position
 ORDER BY 1, 3
