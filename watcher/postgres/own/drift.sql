-- forget --
-- What was found in a stretch of keys before it was compared again; without an end, of everything from the first key on.
DELETE FROM {schema}.drift
 WHERE source_table = %(table)s AND first_key >= %(low)s AND (%(high)s::bigint IS NULL OR first_key < %(high)s)

-- add --
-- What a range differs in now.
INSERT INTO {schema}.drift (source_table, first_key, kind, rows)
SELECT %(table)s, first_key, kind, rows
  FROM jsonb_to_recordset(%(found)s::jsonb) AS one (first_key bigint, kind text, rows bigint)
ON CONFLICT (source_table, first_key, kind) DO UPDATE SET rows = excluded.rows, found_at = now()

-- drift --
-- How many rows of each table differ in each way.
SELECT source_table, kind, sum(rows)::bigint FROM {schema}.drift GROUP BY source_table, kind ORDER BY 1, 2

-- note_run --
-- The last one of each counts.
INSERT INTO {schema}.reconcile_run (made_with, made_by, began, tables, found, seen_to)
VALUES (%(with)s, %(by)s, %(began)s, %(tables)s, %(found)s::jsonb, %(seen_to)s)
ON CONFLICT (made_with) DO UPDATE
   SET made_by = excluded.made_by, began = excluded.began, ended = now(), tables = excluded.tables,
       found = excluded.found, seen_to = excluded.seen_to

-- runs --
-- Who compared whole tables last, the latest first.
SELECT made_with, made_by, began, ended, tables, found FROM {schema}.reconcile_run ORDER BY ended DESC
