-- server --
-- A standby takes no writes, and so no markers; nor is anything taken of a role that begins all transactions so.
SELECT current_setting('server_version'), pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on'

-- reader --
-- Whether a server is a replica, and how long ago was committed what it replayed last, if there is anything to replay.
SELECT current_setting('server_version'), pg_is_in_recovery(),
       CASE WHEN pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()
            THEN extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float8 END

-- wal_level --
-- Anything less than a logical log has no rows.
SELECT current_setting('wal_level')

-- replica_identities --
-- How much of an old row the log holds: by the table's name with its schema, for the table or, where it has partitions,
-- for each of them. The log knows only those: the identity of the table above them says nothing.
SELECT nspname || '.' || root.relname, leaf.oid::regclass::text, leaf.relreplident::text
  FROM pg_class root
  JOIN pg_namespace ON pg_namespace.oid = root.relnamespace
  JOIN pg_class leaf ON leaf.oid = root.oid AND root.relkind = 'r'
                     OR root.relkind = 'p'
                        AND leaf.oid IN (SELECT relid FROM pg_partition_tree(root.oid) WHERE isleaf)
 WHERE nspname || '.' || root.relname = ANY(%s)
 ORDER BY 1, 2

-- partitioned --
-- Tables that have partitions, with their schemas.
SELECT nspname || '.' || relname
  FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
 WHERE nspname || '.' || relname = ANY(%s) AND relkind = 'p'

-- publication --
-- Whether every kind of change is published, and whether changes of partitions are their table's; no row where there is
-- no such publication.
SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate, pubviaroot FROM pg_publication WHERE pubname = %s

-- published_tables --
-- What is published: the table with its schema, its columns, and the condition that leaves rows out, if any.
SELECT schemaname || '.' || tablename, attnames::text[], rowfilter FROM pg_publication_tables WHERE pubname = %s

-- listed_columns --
-- Tables of a publication that have a list of columns, by their name with the schema.
SELECT nspname || '.' || relname
  FROM pg_publication_rel
  JOIN pg_publication ON pg_publication.oid = prpubid
  JOIN pg_class ON pg_class.oid = prrelid
  JOIN pg_namespace ON pg_namespace.oid = relnamespace
 WHERE pubname = %s AND prattrs IS NOT NULL
 ORDER BY 1

-- columns --
-- Types of the columns of tables, by the table's name with its schema; a domain's is the type below it.
SELECT nspname || '.' || relname, attname::text,
       coalesce(format_type(nullif(typbasetype, 0), typtypmod), format_type(atttypid, atttypmod))
  FROM pg_attribute
  JOIN pg_class ON pg_class.oid = attrelid
  JOIN pg_namespace ON pg_namespace.oid = relnamespace
  JOIN pg_type ON pg_type.oid = atttypid
 WHERE nspname || '.' || relname = ANY(%s) AND attnum > 0 AND NOT attisdropped

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

-- lacking_grants --
-- What a role lacks, a row each: the object as GRANT names it, and the privilege. NULL for the role: who asks. Objects
-- that are not there are other checks' findings.
SELECT wanted.kind || ' ' || wanted.name, wanted.privilege
  FROM jsonb_to_recordset(%(grants)s::jsonb) AS wanted (kind text, name text, privilege text)
 CROSS JOIN (SELECT coalesce(%(role)s::text, current_user::text) AS name) AS who
 WHERE CASE wanted.kind
       WHEN 'SCHEMA' THEN to_regnamespace(quote_ident(wanted.name)) IS NOT NULL
                      AND NOT has_schema_privilege(who.name, wanted.name, wanted.privilege)
       WHEN 'TABLE' THEN to_regclass(wanted.name) IS NOT NULL
                     AND NOT has_table_privilege(who.name, to_regclass(wanted.name), wanted.privilege)
       END
 ORDER BY 1, 2

-- replicates --
-- Whether a role may log in and stream; no row where there is no such role.
SELECT rolcanlogin AND (rolreplication OR rolsuper) FROM pg_roles WHERE rolname = %s

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

-- payment_triggers --
-- Triggers on the site's tables that are on, and call a function of our schema.
SELECT tgname::text
  FROM pg_trigger
  JOIN pg_proc ON pg_proc.oid = tgfoid
  JOIN pg_namespace ON pg_namespace.oid = pronamespace
 WHERE tgrelid IN (to_regclass('public."CrucibleEntry"'), to_regclass('public."Crucible"'))
   AND tgenabled IN ('O', 'A') AND nspname = %s
