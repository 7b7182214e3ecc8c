-- What really happened, kept by Postgres itself: one row for each committed row change of the two tables that the
-- watcher counts. A transaction that rolls back takes its rows along, COPY and cascades fire the trigger too, and no
-- part of the watcher reads or writes this table. A change of primary key is a delete and an insert, as in the
-- replication stream.

CREATE TABLE IF NOT EXISTS site_change_log (
    number          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tbl             text NOT NULL,
    op              "char" NOT NULL, -- c, u or d
    key             integer NOT NULL,
    crucible_before integer,
    crucible_after  integer,
    user_before     integer,
    user_after      integer
);

CREATE OR REPLACE FUNCTION site_log_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    was jsonb := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) END;
    now jsonb := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) END;
    -- An entry names its crucible; a crucible is its own.
    part text := CASE WHEN TG_TABLE_NAME = 'CrucibleEntry' THEN 'crucibleId' ELSE 'id' END;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.id <> NEW.id THEN
        INSERT INTO site_change_log (tbl, op, key, crucible_before, crucible_after, user_before, user_after) VALUES
            (TG_TABLE_NAME, 'd', OLD.id, (was ->> part)::int, NULL, (was ->> 'userId')::int, NULL),
            (TG_TABLE_NAME, 'c', NEW.id, NULL, (now ->> part)::int, NULL, (now ->> 'userId')::int);
    ELSE
        INSERT INTO site_change_log (tbl, op, key, crucible_before, crucible_after, user_before, user_after) VALUES (
            TG_TABLE_NAME,
            CASE TG_OP WHEN 'INSERT' THEN 'c' WHEN 'UPDATE' THEN 'u' ELSE 'd' END,
            COALESCE((now ->> 'id')::int, (was ->> 'id')::int),
            (was ->> part)::int, (now ->> part)::int, (was ->> 'userId')::int, (now ->> 'userId')::int
        );
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER site_log_crucible AFTER INSERT OR UPDATE OR DELETE ON "Crucible"
    FOR EACH ROW EXECUTE FUNCTION site_log_change();
CREATE OR REPLACE TRIGGER site_log_entry AFTER INSERT OR UPDATE OR DELETE ON "CrucibleEntry"
    FOR EACH ROW EXECUTE FUNCTION site_log_change();
