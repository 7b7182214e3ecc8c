-- Prepares the site's database for events to other services (debezium/events.json). Run it after replication.sql and
-- `crucible migrate up`, as a superuser or as who ran those. Running it twice changes nothing.
--
--     psql -v ON_ERROR_STOP=1 -f debezium/postgres/events.sql
--     crucible connector apply -f debezium/events.json
--
-- The names are parameters, any client can set them, e.g.  SET crucible.watcher_schema = 'other_name';
-- Only what is inserted is published: that old rows are deleted, or all of them, is nothing that happened.

DO $$
DECLARE
    role name := coalesce(nullif(current_setting('crucible.debezium_role', true), ''), 'crucible_debezium');
    own  name := coalesce(nullif(current_setting('crucible.watcher_schema', true), ''), 'crucible_watcher');
    told text := format('%I.crucible_event', own);
BEGIN
    IF to_regclass(told) IS NULL THEN
        RAISE NOTICE '% is not there yet: run this file again after `crucible migrate up`', told;
        RETURN;
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', own, role);
    EXECUTE format('GRANT SELECT ON %s TO %I', told, role);
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'crucible_events') THEN
        EXECUTE format('CREATE PUBLICATION crucible_events FOR TABLE %s WITH (publish = ''insert'')', told);
    END IF;
    EXECUTE format('ALTER PUBLICATION crucible_events SET TABLE %s', told);
    ALTER PUBLICATION crucible_events SET (publish = 'insert');
END
$$;
