-- alone --
-- Nobody else plans repairs of a table until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('crucible reconcile ' || %s, 0))::text

-- open_repairs --
-- Repairs of a table that were decided and are not known to be written.
SELECT id, source_table, history, lsn, keys, kinds, token, planned FROM {schema}.repair
 WHERE source_table = %s AND done_at IS NULL ORDER BY id

-- plan --
-- Decide a repair.
INSERT INTO {schema}.repair (source_table, history, lsn, keys, kinds, token, planned, made_by)
VALUES (%s, %s, %s, %s, %s::jsonb, %s, %s, %s)
RETURNING id

-- noted --
-- Something else was put right, and is done: for the log.
INSERT INTO {schema}.repair (source_table, history, lsn, keys, kinds, token, made_by, done_at)
SELECT %s, coalesce(max(number), 0), 0, '{{}}', %s::jsonb, '', %s, now() FROM {schema}.history

-- done --
-- It is written; who did it and what for stays.
UPDATE {schema}.repair SET done_at = now(), planned = NULL WHERE id = %s

-- withdraw --
-- It is not to be: something of it has changed before it was written.
DELETE FROM {schema}.repair WHERE id = %s AND done_at IS NULL

-- mark --
-- The highest position that a repair has seen to.
SELECT coalesce(max(lsn), 0) FROM {schema}.repair WHERE history = (SELECT max(number) FROM {schema}.history)

-- covering --
-- Of some rows, up to where repairs have seen to their changes.
SELECT key, max(lsn)
  FROM {schema}.repair, unnest(keys) AS key
 WHERE history = (SELECT max(number) FROM {schema}.history) AND source_table = %(table)s AND lsn >= %(from)s
   AND keys && %(keys)s AND key = ANY(%(keys)s)
 GROUP BY key

-- position --
-- The present position in the log, and the number of the history that it is of. Where it is written next and not up to
-- where it is on disk: with synchronous_commit = off what shows may not be there yet.
SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint, (SELECT max(number) FROM {schema}.history)

-- clock --
-- What needs of a comparison are noted by.
SELECT clock_timestamp()

-- newest_transaction --
-- The newest transaction that may have written anything by now.
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1

-- oldest_transaction --
-- The oldest one that has not ended.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint

-- streamed --
-- Whether everything up to a position has left the slot, and somebody streams; no row without the slot.
SELECT active, (confirmed_flush_lsn - '0/0'::pg_lsn)::bigint >= %(lsn)s
  FROM pg_replication_slots WHERE slot_name = %(slot)s AND database = current_database()

-- log --
-- Who mended what, the latest first.
SELECT made_at, made_by, source_table, kinds,
       (SELECT coalesce(sum(rows::bigint), 0)::bigint FROM jsonb_each_text(kinds) AS one(kind, rows)), done_at
  FROM {schema}.repair ORDER BY id DESC LIMIT %s

-- fragment as_logged --
-- Of needs that are met, a line each table: a person finds who has seen to them, also where nothing had to be put right.
INSERT INTO {schema}.repair (source_table, history, lsn, keys, kinds, token, made_by, done_at)
SELECT source_table, (SELECT coalesce(max(number), 0) FROM {schema}.history), 0, '{{}}',
       jsonb_object_agg('no comparison needed for ' || reason || ' any more', 0), '', %(made_by)s, now()
  FROM met GROUP BY source_table

-- mended --
-- Needs of a comparison that were last noted before a repair of the whole table began.
WITH met AS (
    DELETE FROM {schema}.reconcile_needed WHERE source_table = %(table)s AND noted_at < %(before)s
    RETURNING source_table, reason
), logged AS ({as_logged})
SELECT reason FROM met

-- met --
-- What lies before a comparison that found these tables right is no need any more.
WITH met AS (
    DELETE FROM {schema}.reconcile_needed WHERE source_table = ANY (%(tables)s) AND reaches <= %(seen_to)s
    RETURNING source_table, reason
), logged AS ({as_logged})
SELECT reason FROM met
