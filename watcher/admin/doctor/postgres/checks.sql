-- server --
-- A standby takes no writes, and so no markers.
SELECT current_setting('server_version'), pg_is_in_recovery()

-- wal_level --
-- Anything less than a logical log has no rows.
SELECT current_setting('wal_level')

-- replica_identities --
-- How much of an old row the log holds, by the table's name with its schema.
SELECT nspname || '.' || relname, relreplident::text
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname || '.' || relname = ANY(%s) AND relkind IN ('r', 'p')

-- publication --
-- Whether every kind of change is published; no row where there is no such publication.
SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate FROM pg_publication WHERE pubname = %s

-- published_tables --
-- What is published, by the table's name with its schema.
SELECT schemaname || '.' || tablename FROM pg_publication_tables WHERE pubname = %s

-- slot --
-- Whether somebody streams, whether the log is still there, and how many bytes of it are held.
SELECT active, wal_status, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint
FROM pg_replication_slots WHERE slot_name = %s AND database = current_database()

-- table_exists --
-- Asked before a table is read, so that one that is missing is a finding and not an error.
SELECT to_regclass(%s) IS NOT NULL

-- heartbeat_age --
-- Seconds since the connector last wrote its heartbeat; NULL where it never did.
SELECT extract(epoch FROM now() - max(beat))::float8 FROM crucible_debezium.heartbeat

-- readable --
-- Whether this role may read each of the tables that are there.
SELECT relname, has_table_privilege(pg_class.oid, 'SELECT')
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname || '.' || relname = ANY(%s)

-- own_schema --
-- Whether this role may make tables in its schema; no row where there is no such schema.
SELECT has_schema_privilege(oid, 'USAGE') AND has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = %s

-- settles --
-- Who asks here, and whether they may write what the settle role writes; NULL where the tables are not there yet.
SELECT current_user::text,
       (SELECT bool_and(has_table_privilege(pg_class.oid, 'INSERT') AND has_table_privilege(pg_class.oid, 'UPDATE'))
          FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
         WHERE nspname = %s AND relname IN ('outbox', 'entry_fee', 'entry_verdict'))

-- reads_opt_outs --
-- Whether this role may see who wants no notifications; NULL where the site has no such table.
SELECT has_any_column_privilege(to_regclass('public."UserNotificationSettings"'), 'SELECT')

-- writes_results --
-- Whether this role may write results into the site's tables, and lay one in a temporary table before; NULL where the
-- site's tables are not there.
SELECT has_column_privilege(entry, 'score', 'UPDATE') AND has_column_privilege(entry, 'voteCount', 'UPDATE')
       AND has_column_privilege(entry, 'position', 'UPDATE') AND has_column_privilege(crucible, 'status', 'UPDATE')
       AND has_column_privilege(crucible, 'updatedAt', 'UPDATE') AND has_database_privilege(current_database(), 'TEMPORARY')
  FROM (SELECT to_regclass('public."CrucibleEntry"') AS entry, to_regclass('public."Crucible"') AS crucible) there

-- parked_endings --
-- Crucibles whose ending waits for somebody to look, the first few of them.
SELECT array_agg(crucible_id ORDER BY changed_at) FROM {schema}.settlement WHERE state = 'parked'

-- hash_of_crucibles --
-- An index by hash over the entries' crucible alone: all entries of one crucible are one chain in it, which each entry that
-- is added or gets another score walks along, so that a large crucible costs its square.
SELECT index.relname::text
  FROM pg_index
  JOIN pg_class index ON index.oid = indexrelid
  JOIN pg_am ON pg_am.oid = index.relam AND pg_am.amname = 'hash'
  JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0] AND attname = 'crucibleId'
 WHERE indrelid = to_regclass('public."CrucibleEntry"')
