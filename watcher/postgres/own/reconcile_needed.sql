-- note --
-- Noted again and again, it is as old as it is.
INSERT INTO {schema}.reconcile_needed (source_table, reason) VALUES (%s, %s) ON CONFLICT DO NOTHING

-- needs --
-- All of them, the oldest first.
SELECT source_table, reason, since FROM {schema}.reconcile_needed ORDER BY since, source_table, reason
