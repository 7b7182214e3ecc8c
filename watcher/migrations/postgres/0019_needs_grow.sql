-- When a need of comparison was last noted: one that grows while its table is compared is not met by what was seen before.
ALTER TABLE {schema}.reconcile_needed ADD COLUMN noted_at timestamptz NOT NULL DEFAULT clock_timestamp();
