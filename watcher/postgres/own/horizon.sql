-- log_end --
-- Where the next record of the write-ahead log will begin.
SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint

-- writers --
-- Transactions that have written to what Redis shows, or may have, and are not over: until then each holds a lock of one
-- of these modes, one that is prepared included. A partition may be written to by its own name.
SELECT DISTINCT lock.virtualtransaction
FROM pg_locks lock
WHERE lock.locktype = 'relation'
    AND lock.granted
    AND lock.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND lock.pid IS DISTINCT FROM pg_backend_pid()
    AND lock.relation IN (
        SELECT coalesce(part.relid, shown.name)
        FROM unnest(ARRAY[
            to_regclass('public."Crucible"'),
            to_regclass('public."CrucibleEntry"'),
            to_regclass('{schema}.entry_verdict')
        ]) AS shown (name)
        LEFT JOIN LATERAL pg_partition_tree(shown.name) part ON true
    )
