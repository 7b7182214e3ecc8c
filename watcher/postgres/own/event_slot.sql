-- look --
-- Notes how the slot is now. Another one is in its place where none was before, or where PostgreSQL has counted less for it
-- than it had, though it has not begun to count anew.
WITH now_there AS (
    SELECT slots.slot_name::text AS name, coalesce(counted.total_bytes, 0) AS decoded_bytes,
           greatest(counted.stats_reset, whole.stats_reset, '-infinity') AS counted_since
      FROM pg_replication_slots slots
      LEFT JOIN pg_stat_replication_slots counted USING (slot_name)
     CROSS JOIN pg_stat_bgwriter whole
     WHERE slots.slot_name = %(name)s AND slots.database = current_database()
), gone AS (
    UPDATE {schema}.event_slot SET gone_since = now()
     WHERE name = %(name)s AND gone_since IS NULL AND NOT EXISTS (SELECT FROM now_there)
)
INSERT INTO {schema}.event_slot AS known (name, decoded_bytes, counted_since)
SELECT name, decoded_bytes, counted_since FROM now_there
ON CONFLICT (name) DO UPDATE
   SET decoded_bytes = excluded.decoded_bytes, counted_since = excluded.counted_since, gone_since = NULL,
       begun_anew = CASE WHEN known.gone_since IS NOT NULL
                           OR excluded.counted_since = known.counted_since
                              AND excluded.decoded_bytes < known.decoded_bytes
                         THEN now() ELSE known.begun_anew END
 WHERE known.gone_since IS NOT NULL
    OR (known.decoded_bytes, known.counted_since) IS DISTINCT FROM (excluded.decoded_bytes, excluded.counted_since)

-- standing --
-- Since when it is gone, and when another one was found in its place.
SELECT gone_since, begun_anew FROM {schema}.event_slot WHERE name = %s

-- forget --
-- Whatever comes next is a beginning.
DELETE FROM {schema}.event_slot WHERE name = %s

-- doubt --
-- The connector keeps a place in a log that is no more, and passes over what lies before it in this one.
INSERT INTO {schema}.event_slot AS known (name, decoded_bytes, counted_since, begun_anew)
SELECT slot_name::text, 0, '-infinity'::timestamptz, now() FROM pg_replication_slots
 WHERE slot_name = %s AND database = current_database()
 UNION
SELECT name, 0, '-infinity'::timestamptz, now() FROM {schema}.event_slot
ON CONFLICT (name) DO UPDATE SET begun_anew = excluded.begun_anew
