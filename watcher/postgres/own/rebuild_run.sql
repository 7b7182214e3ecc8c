-- under_way --
-- The last run of a kind that did not end, whether it filled the same Redis, and whether it is of the last day.
SELECT number, done_to, redis = %s, begun > now() - interval '1 day'
FROM {schema}.rebuild_run
WHERE ended IS NULL AND replay = %s
ORDER BY number DESC
LIMIT 1

-- give_up --
-- Runs of a kind that nobody goes on with.
UPDATE {schema}.rebuild_run SET ended = now() WHERE ended IS NULL AND replay = %s

-- begin --
-- Numbered, so that one that was killed can be told from the next.
INSERT INTO {schema}.rebuild_run (replay, redis) VALUES (%s, %s) RETURNING number

-- note --
-- Crucibles are taken in the order of their ids: the last one tells of all before it.
UPDATE {schema}.rebuild_run SET done_to = %s WHERE number = %s

-- end --
-- Nothing of it is left to be gone on with.
UPDATE {schema}.rebuild_run SET ended = now() WHERE number = %s
