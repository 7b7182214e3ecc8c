-- open_replays --
-- Replays of a table that were decided and are not known to be written.
SELECT id, source_table, history, lsn, identities, token, planned FROM {schema}.replay
 WHERE source_table = %s AND done_at IS NULL ORDER BY id

-- tables --
-- The tables that have such.
SELECT DISTINCT source_table FROM {schema}.replay WHERE done_at IS NULL ORDER BY source_table

-- plan --
-- Decide a replay.
INSERT INTO {schema}.replay (source_table, history, lsn, identities, token, planned, made_by)
VALUES (%s, %s, %s, %s::text[], %s, %s, %s)
RETURNING id

-- done --
-- It is written; who did it stays.
UPDATE {schema}.replay SET done_at = coalesce(done_at, now()), planned = NULL WHERE id = %s

-- decided --
-- Which of these changes replays have decided to count.
SELECT DISTINCT identity
  FROM {schema}.replay, unnest(identities) AS identity
 WHERE history = (SELECT max(number) FROM {schema}.history) AND lsn >= %(from)s
   AND identities && %(identities)s::text[] AND identity = ANY(%(identities)s::text[])

-- mark --
-- The highest position of a change that a replay has decided to count.
SELECT coalesce(max(lsn), 0) FROM {schema}.replay WHERE history = (SELECT max(number) FROM {schema}.history)
