-- Discussions of crucibles: "Thread"."crucibleId", and a table of ours that says which comments belong to which crucible.
-- Run it after watcher.sql and before replication.sql is run again, as the owner of "Thread" and "CommentV2" with CREATE on
-- the watcher's schema, or as a superuser. Running it twice changes nothing; comments that were there are taken in, and those
-- that are not any more taken out.
--
--     psql -v ON_ERROR_STOP=1 -f debezium/postgres/threads.sql
--
-- A comment's row does not say of which crucible it is: its thread does, or the thread at the root of a reply's. So a
-- trigger writes that down in the comment's own transaction, and what it writes is published and counted like any row.

ALTER TABLE public."Thread" ADD COLUMN IF NOT EXISTS "crucibleId" integer UNIQUE
    REFERENCES public."Crucible" (id) ON DELETE SET NULL ON UPDATE CASCADE;

DO $$
DECLARE
    watcher name := coalesce(nullif(current_setting('crucible.watcher_role', true), ''), 'crucible_watcher');
    place   name := coalesce(nullif(current_setting('crucible.watcher_schema', true), ''), 'crucible_watcher');
BEGIN
    EXECUTE format($sql$
        CREATE TABLE IF NOT EXISTS %1$I.crucible_comment (
            comment_id  integer PRIMARY KEY,
            crucible_id integer NOT NULL,
            user_id     integer NOT NULL
        )$sql$, place);
    IF (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = format('%I.crucible_comment', place)::regclass) = watcher
    THEN
        RAISE EXCEPTION '%.crucible_comment belongs to %, who could have the site run anything by it: drop it, and run this again',
            place, watcher;
    END IF;
    EXECUTE format('CREATE INDEX IF NOT EXISTS crucible_comment_crucible ON %I.crucible_comment (crucible_id)', place);
    IF (SELECT relreplident FROM pg_class WHERE oid = format('%I.crucible_comment', place)::regclass) <> 'f' THEN
        EXECUTE format('ALTER TABLE %I.crucible_comment REPLICA IDENTITY FULL', place);
    END IF;
    EXECUTE format('GRANT SELECT ON %I.crucible_comment TO %I', place, watcher);

    -- It runs with the rights of who runs this file, because whoever comments on the site has none in our schema.
    EXECUTE format($sql$
        CREATE OR REPLACE FUNCTION %1$I.note_crucible_comment() RETURNS trigger
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
        BEGIN
            IF TG_OP = 'TRUNCATE' THEN
                DELETE FROM %1$I.crucible_comment;
                RETURN NULL;
            END IF;
            IF TG_OP = 'DELETE' THEN
                DELETE FROM %1$I.crucible_comment WHERE comment_id = OLD.id;
                RETURN NULL;
            END IF;
            INSERT INTO %1$I.crucible_comment AS there (comment_id, crucible_id, user_id)
            SELECT NEW.id, coalesce(root."crucibleId", own."crucibleId"), NEW."userId"
              FROM public."Thread" own
              LEFT JOIN public."Thread" root ON root.id = own."rootThreadId"
             WHERE own.id = NEW."threadId" AND coalesce(root."crucibleId", own."crucibleId") IS NOT NULL
            ON CONFLICT (comment_id) DO UPDATE SET crucible_id = excluded.crucible_id, user_id = excluded.user_id
             WHERE (there.crucible_id, there.user_id) <> (excluded.crucible_id, excluded.user_id);
            RETURN NULL;
        END
        $body$ $sql$, place);
    EXECUTE format('CREATE OR REPLACE TRIGGER crucible_comment AFTER INSERT OR DELETE OR UPDATE OF "threadId", "userId" '
                   'ON public."CommentV2" FOR EACH ROW EXECUTE FUNCTION %I.note_crucible_comment()', place);
    EXECUTE format('CREATE OR REPLACE TRIGGER crucible_comments_emptied AFTER TRUNCATE ON public."CommentV2" '
                   'FOR EACH STATEMENT EXECUTE FUNCTION %I.note_crucible_comment()', place);

    EXECUTE format($sql$
        INSERT INTO %1$I.crucible_comment (comment_id, crucible_id, user_id)
        SELECT comment.id, coalesce(root."crucibleId", own."crucibleId"), comment."userId"
          FROM public."CommentV2" comment
          JOIN public."Thread" own ON own.id = comment."threadId"
          LEFT JOIN public."Thread" root ON root.id = own."rootThreadId"
         WHERE coalesce(root."crucibleId", own."crucibleId") IS NOT NULL
        ON CONFLICT (comment_id) DO NOTHING$sql$, place);
    EXECUTE format($sql$
        DELETE FROM %1$I.crucible_comment there
         WHERE NOT EXISTS (SELECT FROM public."CommentV2" comment WHERE comment.id = there.comment_id)$sql$, place);
END
$$;
