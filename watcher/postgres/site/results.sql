-- lock_row --
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

-- fix_competitors --
-- Who competes: entries that are there, not rejected, and whose image may be shown. Said once; what becomes of an image
-- later changes nothing of it. Where verdicts keep nobody out, and where none is written yet, nobody is rejected; of one that
-- was moved here none is written yet.
UPDATE {schema}.settlement
   SET competitors = (
        SELECT coalesce(array_agg(entry.id), '{}')
          FROM public."CrucibleEntry" entry
          JOIN public."Crucible" crucible ON crucible.id = entry."crucibleId"
          LEFT JOIN public."Image" image ON image.id = entry."imageId"
          LEFT JOIN {schema}.entry_verdict verdict
                 ON verdict.entry_id = entry.id AND verdict.crucible_id = entry."crucibleId"
         WHERE entry."crucibleId" = %(crucible)s
           AND coalesce({takes_part} OR verdict.verdict = 'waiting', true) AND {visible_image}
       )
 WHERE crucible_id = %(crucible)s AND competitors IS NULL

-- entered --
-- Entries of a crucible as they are when its result is written: who competes and is in gets a position.
COPY (
    SELECT
        entry.id,
        entry."userId",
        CASE WHEN isfinite(entry."createdAt") THEN (extract(epoch FROM entry."createdAt") * 1000000)::bigint
             WHEN entry."createdAt" > '2000-01-01' THEN 9000000000000000
             ELSE -9000000000000000 END,
        (coalesce({takes_part}, %(undecided)s)
         AND entry.id IN (SELECT unnest(competitors) FROM {schema}.settlement WHERE crucible_id = %(crucible)s))::int
    FROM public."CrucibleEntry" entry
    LEFT JOIN {schema}.entry_verdict verdict
           ON verdict.entry_id = entry.id AND verdict.crucible_id = entry."crucibleId"
    WHERE entry."crucibleId" = %(crucible)s
    ORDER BY entry.id
) TO STDOUT

-- make_results --
-- Where a page of a result lies until it is the entries'. No COPY into their own table: Debezium can lose rows of one.
CREATE TEMPORARY TABLE crucible_result (entry_id integer, score integer, votes integer, position integer) ON COMMIT DROP

-- fill_results --
-- By the thousand.
COPY pg_temp.crucible_result FROM STDIN

-- write_results --
-- Score, number of votes and position of each entry of a page; answers how many there still were.
WITH written AS (
    UPDATE public."CrucibleEntry" entry
       SET score = result.score, "voteCount" = result.votes, position = result.position
      FROM pg_temp.crucible_result result
     WHERE entry.id = result.entry_id AND entry.id BETWEEN %(first)s AND %(last)s AND entry."crucibleId" = %(crucible)s
    RETURNING 1
)
SELECT count(*)::int FROM written

-- forget_results --
-- Make room for the next page; a table of this transaction is emptied at once.
TRUNCATE pg_temp.crucible_result

-- set_status --
-- The site's own word for how a crucible ended.
UPDATE public."Crucible"
   SET status = %s::public."CrucibleStatus", "updatedAt" = now() AT TIME ZONE 'UTC'
 WHERE id = %s
