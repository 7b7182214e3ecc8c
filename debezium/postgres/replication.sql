-- Prepares the site's database for Debezium. Run it as a superuser, or as the owner of the watched tables with CREATEROLE
-- and CREATE on the database, once per database and again after every change to it: running it twice changes nothing.
--
--     psql -v ON_ERROR_STOP=1 -f debezium/postgres/replication.sql
--     psql -c '\password crucible_debezium'
--
-- The role's name is a parameter, any client can set it:  SET crucible.debezium_role = 'other_name';
-- So is the schema of the watcher's own tables:  SET crucible.watcher_schema = 'other_name';
-- No password is set here, so that none can end up in a file, a log or a shell history.
--
-- Why the publication is made here and not by the connector (publication.autocreate.mode=disabled): the connector would
-- run ALTER PUBLICATION at every start, which PostgreSQL allows only to the owner of every table in it. A role that may
-- only read and replicate is worth more than a publication that follows the connector file by itself.

DO $$
DECLARE
    role name := coalesce(nullif(current_setting('crucible.debezium_role', true), ''), 'crucible_debezium');
BEGIN
    -- Roles belong to the whole cluster: another database's run may create it at the same moment.
    BEGIN
        EXECUTE format('CREATE ROLE %I LOGIN REPLICATION', role);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
    END;
    IF NOT (SELECT rolreplication AND rolcanlogin FROM pg_roles WHERE rolname = role) THEN
        EXECUTE format('ALTER ROLE %I LOGIN REPLICATION', role);
    END IF;
END
$$;

-- The connector's own tables. A quiet database next to a busy one holds the log back for ever, because only a change that
-- is published moves the slot: the heartbeat writes one (heartbeat.action.query). The signal table takes commands such as
-- "read that table again"; its columns are Debezium's.
CREATE SCHEMA IF NOT EXISTS crucible_debezium;

CREATE TABLE IF NOT EXISTS crucible_debezium.heartbeat (
    id   integer PRIMARY KEY,
    beat timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS crucible_debezium.signal (
    id   varchar(42) PRIMARY KEY,
    type varchar(32) NOT NULL,
    data varchar(2048)
);

-- The watched tables. Their replica identity is made FULL: without it, a delete carries the primary key alone and an
-- update no old values, and a metric could not be taken back from the user and crucible that it was given to. The log
-- grows by the old row of each update and delete.
DO $$
DECLARE
    role    name := coalesce(nullif(current_setting('crucible.debezium_role', true), ''), 'crucible_debezium');
    own     name := coalesce(nullif(current_setting('crucible.watcher_schema', true), ''), 'crucible_watcher');
    -- written by `make docs` from handlers/__init__.py: begin
    watched text[] := ARRAY[
        'public.Crucible',
        'public.CrucibleEntry',
        'crucible_watcher.entry_verdict',
        'crucible_watcher.crucible_comment',
        'crucible_watcher.beat'
    ];
    -- written by `make docs`: end
    entry   text;
    place   name;
    quoted  text;
    leaf    text;
    wanted  text[] := ARRAY['crucible_debezium.heartbeat', 'crucible_debezium.signal'];
    found   text[];
BEGIN
    FOREACH entry IN ARRAY watched LOOP
        place := CASE split_part(entry, '.', 1) WHEN 'crucible_watcher' THEN own ELSE split_part(entry, '.', 1) END;
        quoted := format('%I.%I', place, split_part(entry, '.', 2));
        IF place = own AND to_regclass(quoted) IS NULL THEN
            RAISE NOTICE '% is not there yet: run this file again after `crucible migrate up`', quoted;
            CONTINUE;
        END IF;
        IF (SELECT relreplident FROM pg_class WHERE oid = quoted::regclass) <> 'f' THEN
            EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', quoted); -- takes a lock for an instant
        END IF;
        -- The log knows partitions alone, each with an identity of its own. A new one has the default: run this again.
        FOR leaf IN
            SELECT relid::regclass::text FROM pg_partition_tree(quoted::regclass) JOIN pg_class ON pg_class.oid = relid
             WHERE isleaf AND relreplident <> 'f'
        LOOP
            EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', leaf);
        END LOOP;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', place, role);
        EXECUTE format('GRANT SELECT ON %s TO %I', quoted, role);
        wanted := wanted || quoted;
    END LOOP;

    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'crucible') THEN
        EXECUTE 'CREATE PUBLICATION crucible FOR TABLE ' || array_to_string(wanted, ', ')
             || ' WITH (publish = ''insert, update, delete, truncate'', publish_via_partition_root = true)';
    END IF;
    -- What changes in a partition is a change of its table, under the table's name and in its topic.
    IF NOT (SELECT pubviaroot FROM pg_publication WHERE pubname = 'crucible') THEN
        ALTER PUBLICATION crucible SET (publish_via_partition_root = true);
    END IF;
    SELECT coalesce(array_agg(format('%I.%I', schemaname, tablename)), '{}')
      INTO found
      FROM pg_publication_tables
     WHERE pubname = 'crucible';
    -- A condition would leave rows out of the stream. A list of columns has PostgreSQL refuse each UPDATE and DELETE.
    IF NOT (found @> wanted AND found <@ wanted) OR EXISTS (
        SELECT FROM pg_publication_rel JOIN pg_publication ON pg_publication.oid = prpubid
         WHERE pubname = 'crucible' AND (prqual IS NOT NULL OR prattrs IS NOT NULL)
    ) THEN
        EXECUTE 'ALTER PUBLICATION crucible SET TABLE ' || array_to_string(wanted, ', ');
    END IF;
    IF NOT (SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate FROM pg_publication WHERE pubname = 'crucible')
    THEN
        ALTER PUBLICATION crucible SET (publish = 'insert, update, delete, truncate');
    END IF;

    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role);
    EXECUTE format('GRANT USAGE ON SCHEMA crucible_debezium TO %I', role);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON crucible_debezium.heartbeat TO %I', role);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON crucible_debezium.signal TO %I', role);
END
$$;
