-- note --
-- Noted again and again, it is as old as it is, and reaches as far as it was last found.
INSERT INTO {schema}.reconcile_needed AS there (source_table, reason, first_place, last_place, times)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (source_table, reason) DO UPDATE
   SET last_place = excluded.last_place, times = there.times + excluded.times, noted_at = clock_timestamp()

-- needs --
-- All of them, the oldest first.
SELECT source_table, reason, since, first_place, last_place, times FROM {schema}.reconcile_needed
 ORDER BY since, source_table, reason
