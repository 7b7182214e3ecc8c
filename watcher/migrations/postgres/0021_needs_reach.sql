-- A hole is told by the beat after it, which may come when a comparison has met it already: up to when, by PostgreSQL's clock
-- and in milliseconds, a need is about what happened, where that is known, and up to when a comparison has seen everything.
ALTER TABLE {schema}.reconcile_needed ADD COLUMN reaches bigint;
ALTER TABLE {schema}.reconcile_run ADD COLUMN seen_to bigint NOT NULL DEFAULT 0;
