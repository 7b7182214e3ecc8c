-- note --
-- The first of a day stays: it tells of more rows than a later one.
INSERT INTO {schema}.key_mark (source_table, day, highest, marked_at)
SELECT %(table)s, (at AT TIME ZONE 'UTC')::date, %(highest)s, at
  FROM (SELECT coalesce(%(at)s::timestamptz, clock_timestamp()) AS at) moment
ON CONFLICT (source_table, day) DO NOTHING

-- first_since --
-- The first mark from a time on.
SELECT highest, marked_at FROM {schema}.key_mark
 WHERE source_table = %(table)s AND marked_at >= %(since)s
 ORDER BY marked_at LIMIT 1
