-- standby --
-- A standby's log position is not its own: it cannot say which history it is in.
SELECT pg_is_in_recovery()

-- source_identity --
-- Any role that may log in can ask this: IDENTIFY_SYSTEM would need REPLICATION. The timeline is the one being written;
-- that of pg_control_checkpoint() is older until the first checkpoint after a promotion, just when it matters.
SELECT system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer
FROM pg_control_system()

-- accepted --
-- All of them: people compare the last with what PostgreSQL is now.
SELECT number, system_identifier, timeline, accepted, fell_from FROM {schema}.history ORDER BY number

-- accept_first --
-- Nothing was counted before the first. Two processes that start at once see the same cluster: either's row will do.
INSERT INTO {schema}.history (number, system_identifier, timeline)
SELECT %s, %s, %s
WHERE NOT EXISTS (SELECT FROM {schema}.history)
ON CONFLICT DO NOTHING

-- accept --
-- A person's decision, which raises the number.
INSERT INTO {schema}.history (number, system_identifier, timeline) VALUES (%s, %s, %s)

-- fell --
-- Found once, it is so until a person has accepted what there is: also for whoever does not know how far the stream was.
UPDATE {schema}.history SET fell_from = %s WHERE number = %s
