-- Prepares the site's database for Debezium. Run it as a superuser, or as the owner of the two tables with CREATEROLE
-- and CREATE on the database, once per database and again after every change to it: running it twice changes nothing.
--
--     psql -v ON_ERROR_STOP=1 -f debezium/postgres/replication.sql
--     psql -c '\password crucible_debezium'
--
-- The role's name is a parameter, any client can set it:  SET crucible.debezium_role = 'other_name';
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

-- Without FULL, a delete carries the primary key alone and an update no old values: a metric could not be taken back from
-- the user and crucible that it was given to. The log grows by the old row of each update and delete.
DO $$
DECLARE
    watched text;
BEGIN
    FOREACH watched IN ARRAY ARRAY['"Crucible"', '"CrucibleEntry"'] LOOP
        IF (SELECT relreplident FROM pg_class WHERE oid = ('public.' || watched)::regclass) <> 'f' THEN
            EXECUTE format('ALTER TABLE public.%s REPLICA IDENTITY FULL', watched); -- takes a lock for an instant
        END IF;
    END LOOP;
END
$$;

DO $$
DECLARE
    wanted text := 'public."Crucible", public."CrucibleEntry", crucible_debezium.heartbeat, crucible_debezium.signal';
    found  text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'crucible') THEN
        EXECUTE 'CREATE PUBLICATION crucible FOR TABLE ' || wanted
             || ' WITH (publish = ''insert, update, delete, truncate'')';
        RETURN;
    END IF;
    SELECT string_agg(format('%I.%I', schemaname, tablename), ', ' ORDER BY schemaname DESC, tablename)
      INTO found
      FROM pg_publication_tables
     WHERE pubname = 'crucible';
    IF found IS DISTINCT FROM wanted THEN
        EXECUTE 'ALTER PUBLICATION crucible SET TABLE ' || wanted;
    END IF;
    IF NOT (SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate FROM pg_publication WHERE pubname = 'crucible')
    THEN
        ALTER PUBLICATION crucible SET (publish = 'insert, update, delete, truncate');
    END IF;
END
$$;

DO $$
DECLARE
    role name := coalesce(nullif(current_setting('crucible.debezium_role', true), ''), 'crucible_debezium');
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role);
    EXECUTE format('GRANT USAGE ON SCHEMA public, crucible_debezium TO %I', role);
    EXECUTE format('GRANT SELECT ON public."Crucible", public."CrucibleEntry" TO %I', role);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON crucible_debezium.heartbeat TO %I', role);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON crucible_debezium.signal TO %I', role);
END
$$;
