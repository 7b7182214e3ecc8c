-- Prepares the site's database for the watcher: a role, a schema that is its own, and what it reads. Run it after
-- replication.sql, as a superuser or as the owner of the tables below with CREATEROLE and CREATE on the database.
-- Running it twice changes nothing.
--
--     psql -v ON_ERROR_STOP=1 -f debezium/postgres/watcher.sql
--     psql -c '\password crucible_watcher'
--
-- Both names are parameters, any client can set them, e.g.  SET crucible.watcher_role = 'other_name';
-- The schema's name is the setting postgres.watcher_schema.

DO $$
DECLARE
    role  name := coalesce(nullif(current_setting('crucible.watcher_role', true), ''), 'crucible_watcher');
    place name := coalesce(nullif(current_setting('crucible.watcher_schema', true), ''), 'crucible_watcher');
    -- written by `make docs` from handlers/__init__.py and watcher/postgres/site/read_tables.py: begin
    reads text[] := ARRAY[
        'public.Crucible',
        'public.CrucibleEntry',
        'public.User',
        'public.Image',
        'public.ImageResourceNew',
        'public.Thread',
        'public.CommentV2',
        'public.CommentV2Reaction'
    ];
    -- written by `make docs`: end
    entry text;
BEGIN
    BEGIN
        EXECUTE format('CREATE ROLE %I LOGIN', role);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL; -- roles belong to the whole cluster: another database's run made it
    END;

    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role);
    -- Its own schema: the daemon creates and alters its tables there, and nowhere else. Handing it over by GRANT works
    -- where the one who runs this is not a superuser and may not give an object to another role.
    EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', place);
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', place, role);

    -- Comparing with ClickHouse and Redis reads the watched tables. Who may vote stands in "User", which images may be
    -- shown in "Image", and what is said about them in the comments' tables. Nothing of the site is ever written.
    FOREACH entry IN ARRAY reads LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', split_part(entry, '.', 1), role);
        EXECUTE format('GRANT SELECT ON %I.%I TO %I', split_part(entry, '.', 1), split_part(entry, '.', 2), role);
    END LOOP;
    -- The checks of `crucible doctor` look whether the heartbeat is written.
    EXECUTE format('GRANT USAGE ON SCHEMA crucible_debezium TO %I', role);
    EXECUTE format('GRANT SELECT ON crucible_debezium.heartbeat TO %I', role);
    -- `crucible backfill --by-connector` asks the connector for rows. It reads and deletes nothing there. Who may write here
    -- may have Debezium's role read what that one may read, and send it to the tables' topics.
    IF to_regclass('crucible_debezium.signal') IS NOT NULL THEN -- made by replication.sql
        EXECUTE format('GRANT INSERT ON crucible_debezium.signal TO %I', role);
    END IF;

    -- `crucible doctor` reads who streams from which slot (pg_stat_replication shows it to members only) and settings.
    IF NOT pg_has_role(role, 'pg_monitor', 'MEMBER') THEN
        EXECUTE format('GRANT pg_monitor TO %I', role);
    END IF;
END
$$;
