-- lock_crucible --
-- What decides how a crucible ends; nobody else changes its row or adds an entry to it until the end of the transaction.
-- The database's clock decides whether it is over, because it is one clock, whichever process asks.
SELECT
    crucible.status::text,
    coalesce(crucible."endAt" <= now() AT TIME ZONE 'UTC', false),
    crucible."prizePositions"::text,
    crucible."entryFee"
FROM public."Crucible" crucible
WHERE crucible.id = %s
FOR UPDATE

-- entered --
-- Entries of a crucible as they are when its result is written: who takes part and may be shown gets a position.
COPY (
    SELECT
        entry.id,
        entry."userId",
        CASE WHEN isfinite(entry."createdAt") THEN (extract(epoch FROM entry."createdAt") * 1000000)::bigint
             WHEN entry."createdAt" > '2000-01-01' THEN 9000000000000000
             ELSE -9000000000000000 END,
        (coalesce({takes_part}, %(undecided)s) AND {visible_image})::int
    FROM public."CrucibleEntry" entry
    JOIN public."Crucible" crucible ON crucible.id = entry."crucibleId"
    LEFT JOIN public."Image" image ON image.id = entry."imageId"
    LEFT JOIN {schema}.entry_verdict verdict ON verdict.entry_id = entry.id
    WHERE entry."crucibleId" = %(crucible)s
    ORDER BY entry.id
) TO STDOUT

-- make_results --
-- Where a result lies until it is the entries'. No COPY into their own table: Debezium can lose rows of one.
CREATE TEMPORARY TABLE crucible_result (entry_id integer, score integer, votes integer, position integer) ON COMMIT DROP

-- fill_results --
-- By the million.
COPY pg_temp.crucible_result FROM STDIN

-- write_results --
-- Score, number of votes and position of each entry; answers how many there still were.
WITH written AS (
    UPDATE public."CrucibleEntry" entry
       SET score = result.score, "voteCount" = result.votes, position = result.position
      FROM pg_temp.crucible_result result
     WHERE entry.id = result.entry_id AND entry."crucibleId" = %s
    RETURNING 1
)
SELECT count(*)::int FROM written

-- set_status --
-- The site's own word for how a crucible ended.
UPDATE public."Crucible"
   SET status = %s::public."CrucibleStatus", "updatedAt" = now() AT TIME ZONE 'UTC'
 WHERE id = %s
