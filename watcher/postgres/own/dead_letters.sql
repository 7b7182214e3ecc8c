-- tried --
-- What became of some letters. One that is done stays done, whatever somebody finds who came later.
INSERT INTO {schema}.letter AS there
       (topic_id, partition, position, source_table, record, outcome, message, done, tried_by)
SELECT %(topic_id)s, one.*, %(by)s
  FROM unnest(%(partitions)s::integer[], %(positions)s::bigint[], %(tables)s::text[], %(records)s::text[],
              %(outcomes)s::text[], %(messages)s::text[], %(done)s::boolean[]) AS one
ON CONFLICT (topic_id, partition, position) DO UPDATE
   SET source_table = excluded.source_table, outcome = excluded.outcome, message = excluded.message,
       done = excluded.done, tries = there.tries + 1, last_tried = now(), tried_by = excluded.tried_by
 WHERE NOT there.done

-- known --
-- What became of some letters of a partition.
SELECT position, outcome, message, done, tries, first_tried, last_tried, tried_by FROM {schema}.letter
 WHERE topic_id = %s AND partition = %s AND position = ANY(%s)

-- done_from --
-- How many letters of a partition are done that lie at a place or behind it.
SELECT count(*) FROM {schema}.letter WHERE topic_id = %s AND partition = %s AND position >= %s AND done

-- found --
-- Which of these places of refused records letters of a table tell of.
SELECT DISTINCT record FROM {schema}.letter WHERE topic_id = %s AND source_table = %s AND record = ANY(%s::text[])

-- count --
-- How many letters of a table there were.
SELECT count(*) FROM {schema}.letter WHERE topic_id = %s AND source_table = %s

-- purged --
-- Up to where somebody has had letters of each partition deleted.
SELECT partition, upto FROM {schema}.letters_purged WHERE topic_id = %s

-- purge --
-- Note up to where somebody has, and whether letters went that nobody had taken.
INSERT INTO {schema}.letters_purged AS there (topic_id, partition, upto, lost_at)
VALUES (%s, %s, %s, CASE WHEN %s THEN now() END)
ON CONFLICT (topic_id, partition) DO UPDATE
   SET upto = greatest(there.upto, excluded.upto), lost_at = coalesce(excluded.lost_at, there.lost_at)

-- lost --
-- When letters last went that nobody had taken; NULL: never.
SELECT max(lost_at) FROM {schema}.letters_purged WHERE topic_id = %s

-- settled --
-- A need of comparison, unless it has grown since it was read.
DELETE FROM {schema}.reconcile_needed
 WHERE source_table = %s AND reason = %s AND since = %s AND last_place = %s AND times = %s
RETURNING source_table
