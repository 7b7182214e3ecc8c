-- note --
-- Noted again and again, it is as old as it is, and reaches as far as it was last found. What lies before a comparison that
-- found its table right is no need.
INSERT INTO {schema}.reconcile_needed AS there (source_table, reason, first_place, last_place, times, reaches)
SELECT %(table)s, %(reason)s, %(first)s, %(last)s, %(times)s, nullif(%(reaches)s::bigint, 0)
 WHERE NOT EXISTS (
       SELECT FROM {schema}.reconcile_run
        WHERE %(reaches)s BETWEEN 1 AND seen_to AND %(table)s = ANY (tables) AND NOT jsonb_exists(found, %(table)s)
 )
ON CONFLICT (source_table, reason) DO UPDATE
   SET last_place = excluded.last_place, times = there.times + excluded.times, noted_at = clock_timestamp(),
       reaches = CASE WHEN there.reaches IS NOT NULL AND excluded.reaches IS NOT NULL
                      THEN greatest(there.reaches, excluded.reaches) END

-- needs --
-- All of them, the oldest first.
SELECT source_table, reason, since, first_place, last_place, times FROM {schema}.reconcile_needed
 ORDER BY since, source_table, reason
