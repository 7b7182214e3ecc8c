-- Prepares the site's database for the role that moves money (`crucible run --role settle`): a database role of its own and
-- the schema of the ledger. Run it after watcher.sql, as a superuser or as who ran that. Running it twice changes nothing.
--
--     psql -v ON_ERROR_STOP=1 -f debezium/postgres/settle.sql
--     psql -c '\password crucible_settle'
--
-- The names are parameters, any client can set them, e.g.  SET crucible.settle_role = 'other_name';
-- The role may do what the watcher's role may, and holds the ledger besides. The watcher's role may do nothing there: the
-- processes that face the public and the change stream can move no money. And it writes results into the site's tables,
-- these five columns and nothing else.

DO $$
DECLARE
    role    name := coalesce(nullif(current_setting('crucible.settle_role', true), ''), 'crucible_settle');
    watcher name := coalesce(nullif(current_setting('crucible.watcher_role', true), ''), 'crucible_watcher');
    place   name := coalesce(nullif(current_setting('crucible.ledger_schema', true), ''), 'crucible_ledger');
BEGIN
    BEGIN
        EXECUTE format('CREATE ROLE %I LOGIN', role);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL; -- roles belong to the whole cluster: another database's run made it
    END;
    IF NOT pg_has_role(role, watcher, 'MEMBER') THEN
        EXECUTE format('GRANT %I TO %I', watcher, role);
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role);
    EXECUTE format('GRANT UPDATE (score, "voteCount", position) ON public."CrucibleEntry" TO %I', role);
    EXECUTE format('GRANT UPDATE (status, "updatedAt") ON public."Crucible" TO %I', role);
    -- A result lies in a temporary table before it is written; databases that are locked down do not let everybody make one.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), role);
    EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', place);
    EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', place);
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', place, role);
    -- Who wants no notifications is told nothing. A site without the table has nobody who does not.
    IF to_regclass('public."UserNotificationSettings"') IS NOT NULL THEN
        EXECUTE format('GRANT SELECT ("userId", type) ON public."UserNotificationSettings" TO %I', role);
    END IF;
END
$$;
