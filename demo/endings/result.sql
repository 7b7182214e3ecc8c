-- Places once more, in SQL: each entry of a crucible whose result was written, with what was written and what is due by
-- the votes, which were cast again by somebody else. It shares nothing with the program.
WITH cast_again AS (
    SELECT *
      FROM unnest(%(crucibles)s::int[], %(entries)s::int[], %(ratings)s::int[], %(votes)s::int[])
           AS voted (crucible_id, entry_id, rating, votes)
), settled AS (
    SELECT ending.*, crucible."prizePositions" AS prizes, crucible."nsfwLevel" AS level
      FROM SCHEMA.settlement ending
      JOIN "Crucible" crucible ON crucible.id = ending.crucible_id
     WHERE ending.settled_at IS NOT NULL
), entered AS (
    SELECT settled.crucible_id, entry.id AS entry_id, entry."userId" AS user_id, entry."createdAt" AS created_at,
           entry.score, entry."voteCount" AS vote_count, entry.position,
           coalesce(cast_again.rating, 1500) AS rating, coalesce(cast_again.votes, 0) AS votes,
           -- Of an image that was changed since, nobody knows any more whether it could be shown then.
           CASE WHEN image."updatedAt" >= settled.frozen_at AT TIME ZONE 'UTC' THEN entry.position IS NOT NULL
                ELSE verdict.verdict = 'admitted' AND image.ingestion = 'Scanned' AND NOT image."tosViolation"
                     AND image."needsReview" IS NULL AND image."blockedFor" IS NULL AND image."nsfwLevel" BETWEEN 1 AND 31
                     AND image."nsfwLevel" & settled.level <> 0 END AS placed
      FROM settled
      JOIN "CrucibleEntry" entry ON entry."crucibleId" = settled.crucible_id
      JOIN "Image" image ON image.id = entry."imageId"
      LEFT JOIN SCHEMA.entry_verdict verdict ON verdict.entry_id = entry.id
      LEFT JOIN cast_again ON (cast_again.crucible_id, cast_again.entry_id) = (settled.crucible_id, entry.id)
), ranked AS (
    SELECT entered.*,
           CASE WHEN placed THEN row_number() OVER (
               PARTITION BY crucible_id, placed ORDER BY rating DESC, created_at, entry_id) END AS due
      FROM entered
), pools AS (
    SELECT settled.crucible_id, coalesce(sum(verdict.fee), 0)::bigint AS pool
      FROM settled
      LEFT JOIN SCHEMA.entry_verdict verdict ON verdict.crucible_id = settled.crucible_id
     GROUP BY 1
), shares AS (
    SELECT settled.crucible_id, share.position, share.percentage
      FROM settled, LATERAL (
          SELECT (one ->> 'position')::int AS position, (one ->> 'percentage')::numeric AS percentage
            FROM jsonb_array_elements(CASE jsonb_typeof(prizes) WHEN 'array' THEN prizes ELSE '[]' END) one
          UNION ALL
          SELECT key::int, value::numeric
            FROM jsonb_each_text(CASE jsonb_typeof(prizes) WHEN 'object' THEN prizes ELSE '{}' END)
      ) share
), won AS (
    SELECT crucible_id, shares.position, ranked.entry_id, ranked.user_id, floor(percentage * pool / 100)::bigint AS amount
      FROM shares
      JOIN pools USING (crucible_id)
      JOIN ranked USING (crucible_id)
     WHERE ranked.due = shares.position AND floor(percentage * pool / 100) > 0
)
