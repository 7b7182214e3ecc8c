-- paused --
-- A row is a table that waits; there are a handful at most.
SELECT source_table, since, made_by, reason FROM {schema}.table_pause WHERE consumer_group = %s ORDER BY source_table

-- pause --
-- Paused twice, it is so since the first time.
INSERT INTO {schema}.table_pause (consumer_group, source_table, made_by, reason) VALUES (%s, %s, %s, %s)
ON CONFLICT DO NOTHING
RETURNING 1

-- resume --
-- The watchers go on within a few seconds.
DELETE FROM {schema}.table_pause WHERE consumer_group = %s AND source_table = %s RETURNING since, made_by, reason
