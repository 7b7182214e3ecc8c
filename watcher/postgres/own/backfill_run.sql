-- open_run --
-- The run of a table that has not ended, if there is one.
SELECT id, way, until_key, done_key, looked_at, mended, still_wrong, done_crucible, began_at, state,
       brought_at, sent
  FROM {schema}.backfill WHERE source_table = %s AND ended_at IS NULL

-- begin --
-- A run of its own; two at the same moment are one, for a table has one that has not ended.
INSERT INTO {schema}.backfill (source_table, way, until_key, made_by) VALUES (%s, %s, %s, %s)
ON CONFLICT DO NOTHING

-- give_up --
-- Begun anew instead.
UPDATE {schema}.backfill SET state = 'given_up', ended_at = now() WHERE source_table = %s AND ended_at IS NULL

-- take --
-- Somebody goes on with it; whoever asked for a pause had it.
UPDATE {schema}.backfill SET state = 'running', made_by = %s, seen_at = now(), pause_wanted = false WHERE id = %s

-- note --
-- How far it is; answered with whether somebody wants it to pause.
UPDATE {schema}.backfill
   SET done_key = %(done_key)s, looked_at = %(looked_at)s, mended = %(mended)s::jsonb, still_wrong = %(still_wrong)s,
       done_crucible = %(done_crucible)s, sent = %(sent)s, seen_at = now()
 WHERE id = %(id)s AND ended_at IS NULL
RETURNING pause_wanted

-- brought --
-- What the connector was asked for is sent and written.
UPDATE {schema}.backfill SET brought_at = now(), sent = %(sent)s, seen_at = now() WHERE id = %(id)s AND ended_at IS NULL
RETURNING brought_at

-- seen --
-- It is at work; answered in the same way.
UPDATE {schema}.backfill SET seen_at = now() WHERE id = %s AND ended_at IS NULL RETURNING pause_wanted

-- pause --
-- It stands until somebody goes on with it.
UPDATE {schema}.backfill SET state = 'paused', pause_wanted = false WHERE id = %s AND ended_at IS NULL

-- ask_pause --
-- Heard by whoever is at it.
UPDATE {schema}.backfill SET pause_wanted = true
 WHERE source_table = %s AND ended_at IS NULL AND state = 'running' RETURNING id

-- finish --
-- All of it is done.
UPDATE {schema}.backfill SET state = 'done', ended_at = now() WHERE id = %s AND ended_at IS NULL

-- runs --
-- The latest first.
SELECT id, source_table, way, state, made_by, began_at, seen_at, ended_at, done_key, until_key, looked_at, mended,
       still_wrong, done_crucible, sent
  FROM {schema}.backfill ORDER BY id DESC LIMIT %s
