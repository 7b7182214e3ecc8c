-- slots --
-- The slots of the shipped connectors, or of those whose names begin like theirs: whether somebody streams, and how many
-- bytes of the log are held for them.
SELECT slot_name::text, active, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint
FROM pg_replication_slots
WHERE database = current_database() AND starts_with(slot_name::text, 'crucible')
