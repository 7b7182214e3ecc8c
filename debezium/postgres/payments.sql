-- Payments of entries: a table of ours that says which fees of the site's no entry's row names any more, so that they go
-- back. Run it after watcher.sql, as the owner of "Crucible" and "CrucibleEntry" with CREATE on the watcher's schema, or as a
-- superuser. Running it twice changes nothing.
--
--     psql -v ON_ERROR_STOP=1 -f debezium/postgres/payments.sql
--
-- Under which prefix the site took a fee stands in the entry's row and nowhere else ("buzzTransactionId"). A row that is
-- deleted, emptied away or changed before the watcher has looked at it takes that with it. So triggers write it down in the
-- transaction in which it goes, by whichever way: DELETE, a cascade from crucible, user or image, TRUNCATE, UPDATE. Rows
-- without a prefix, and changes of other columns, cost nothing.
--
-- Function and tables belong to who runs this file, and the watcher may only read and take away what is noted: what runs
-- inside the site's transactions must not be the watcher's to change.

DO $$
DECLARE
    watcher name := coalesce(nullif(current_setting('crucible.watcher_role', true), ''), 'crucible_watcher');
    place   name := coalesce(nullif(current_setting('crucible.watcher_schema', true), ''), 'crucible_watcher');
    one     name;
BEGIN
    EXECUTE format($sql$
        CREATE TABLE IF NOT EXISTS %1$I.left_payment (
            id          bigint       GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            prefix      text         NOT NULL,
            entry_id    integer      NOT NULL,
            crucible_id integer      NOT NULL,
            user_id     integer      NOT NULL,
            image_id    integer      NOT NULL,
            entered_at  timestamp(3) NOT NULL,
            deleted     boolean      NOT NULL, -- false: the row is there, and names another payment or none
            completed   boolean      NOT NULL, -- the crucible was over, with a result that the payment may be a part of
            left_at     timestamptz  NOT NULL DEFAULT now()
        )$sql$, place);
    -- A cascade deletes the crucible's row before those of its entries, which would not know how it stood.
    EXECUTE format('CREATE TABLE IF NOT EXISTS %I.completed_crucible (crucible_id integer PRIMARY KEY)', place);
    -- What was paid for setting up a crucible stands in its row alone as well; of one that is over it is spent.
    EXECUTE format($sql$
        CREATE TABLE IF NOT EXISTS %I.left_crucible (
            crucible_id integer      PRIMARY KEY,
            name        text         NOT NULL,
            user_id     integer      NOT NULL,
            prefix      text         NOT NULL,
            created_at  timestamp(3) NOT NULL
        )$sql$, place);
    FOREACH one IN ARRAY ARRAY['left_payment', 'completed_crucible', 'left_crucible'] LOOP
        IF (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = format('%I.%I', place, one)::regclass) = watcher THEN
            RAISE EXCEPTION '%.% belongs to %, who could have the site run anything by it: drop it, and run this again',
                place, one, watcher;
        END IF;
    END LOOP;
    EXECUTE format('GRANT SELECT, DELETE ON %1$I.left_payment, %1$I.left_crucible TO %2$I', place, watcher);

    -- They run with the rights of who runs this file, because whoever deletes an entry on the site has none in our schema.
    EXECUTE format($sql$
        CREATE OR REPLACE FUNCTION %1$I.note_left_payment() RETURNS trigger
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
        BEGIN
            INSERT INTO %1$I.left_payment
                   (prefix, entry_id, crucible_id, user_id, image_id, entered_at, deleted, completed)
            SELECT OLD."buzzTransactionId", OLD.id, OLD."crucibleId", OLD."userId", OLD."imageId", OLD."createdAt",
                   TG_OP = 'DELETE',
                   coalesce((SELECT status::text = 'Completed' FROM public."Crucible" WHERE id = OLD."crucibleId"),
                            EXISTS (SELECT FROM %1$I.completed_crucible WHERE crucible_id = OLD."crucibleId"));
            RETURN NULL;
        END
        $body$ $sql$, place);
    EXECUTE format($sql$
        CREATE OR REPLACE FUNCTION %1$I.note_left_payments() RETURNS trigger
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
        BEGIN
            INSERT INTO %1$I.left_payment
                   (prefix, entry_id, crucible_id, user_id, image_id, entered_at, deleted, completed)
            SELECT entry."buzzTransactionId", entry.id, entry."crucibleId", entry."userId", entry."imageId",
                   entry."createdAt", true, coalesce(crucible.status::text = 'Completed', false)
              FROM public."CrucibleEntry" entry
              LEFT JOIN public."Crucible" crucible ON crucible.id = entry."crucibleId"
             WHERE entry."buzzTransactionId" <> '';
            RETURN NULL;
        END
        $body$ $sql$, place);
    EXECUTE format($sql$
        CREATE OR REPLACE FUNCTION %1$I.note_completed_crucible() RETURNS trigger
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
        BEGIN
            INSERT INTO %1$I.completed_crucible (crucible_id) VALUES (OLD.id) ON CONFLICT DO NOTHING;
            RETURN OLD;
        END
        $body$ $sql$, place);

    EXECUTE format($sql$
        CREATE OR REPLACE FUNCTION %1$I.note_left_crucibles() RETURNS trigger
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
        BEGIN
            INSERT INTO %1$I.left_crucible (crucible_id, name, user_id, prefix, created_at)
            SELECT id, name, "userId", "buzzTransactionId", "createdAt"
              FROM (SELECT OLD.* WHERE TG_OP = 'DELETE' UNION ALL
                    SELECT * FROM public."Crucible" WHERE TG_OP = 'TRUNCATE') gone
             WHERE status::text <> 'Completed' AND "buzzTransactionId" <> ''
            ON CONFLICT DO NOTHING;
            RETURN NULL;
        END
        $body$ $sql$, place);

    EXECUTE format('CREATE OR REPLACE TRIGGER crucible_deleted AFTER DELETE ON public."Crucible" '
                   'FOR EACH ROW EXECUTE FUNCTION %I.note_left_crucibles()', place);
    EXECUTE format('CREATE OR REPLACE TRIGGER crucibles_emptied BEFORE TRUNCATE ON public."Crucible" '
                   'FOR EACH STATEMENT EXECUTE FUNCTION %I.note_left_crucibles()', place);
    EXECUTE format('CREATE OR REPLACE TRIGGER crucible_payment_deleted AFTER DELETE ON public."CrucibleEntry" '
                   'FOR EACH ROW WHEN (OLD."buzzTransactionId" <> '''') EXECUTE FUNCTION %I.note_left_payment()', place);
    EXECUTE format('CREATE OR REPLACE TRIGGER crucible_payment_replaced '
                   'AFTER UPDATE OF "buzzTransactionId" ON public."CrucibleEntry" FOR EACH ROW '
                   'WHEN (OLD."buzzTransactionId" <> '''' AND OLD."buzzTransactionId" IS DISTINCT FROM NEW."buzzTransactionId") '
                   'EXECUTE FUNCTION %I.note_left_payment()', place);
    EXECUTE format('CREATE OR REPLACE TRIGGER crucible_payments_emptied BEFORE TRUNCATE ON public."CrucibleEntry" '
                   'FOR EACH STATEMENT EXECUTE FUNCTION %I.note_left_payments()', place);
    EXECUTE format('CREATE OR REPLACE TRIGGER crucible_completed_deleted BEFORE DELETE ON public."Crucible" '
                   'FOR EACH ROW WHEN (OLD.status = ''Completed'') EXECUTE FUNCTION %I.note_completed_crucible()', place);
END
$$;
