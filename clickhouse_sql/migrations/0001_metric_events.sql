-- The raw metric events: the site's table, and behind its columns what tells one change from another.

-- statements --
-- In the site's exact form first, so that a new table and one that is there already go through the same changes.
CREATE TABLE IF NOT EXISTS entityMetricEvents @on_cluster
(
    entityType  LowCardinality(String),
    entityId    Int32,
    userId      Int32,
    metricType  LowCardinality(String),
    metricValue Int32,
    createdAt   DateTime64(3)
)
ENGINE = @engine(MergeTree)
ORDER BY (entityType, entityId, createdAt);

-- Whence a row came. Writers that know nothing of these columns go on as before.
ALTER TABLE entityMetricEvents @on_cluster
    ADD COLUMN IF NOT EXISTS source      LowCardinality(String) DEFAULT '',
    ADD COLUMN IF NOT EXISTS sourceKey   Int64                  DEFAULT 0,
    ADD COLUMN IF NOT EXISTS sourceLsn   UInt64                 DEFAULT 0,
    ADD COLUMN IF NOT EXISTS sourceId    FixedString(16)        DEFAULT '',
    ADD COLUMN IF NOT EXISTS sourceIndex UInt8                  DEFAULT 0;

-- "Which of these changes are there already?" is a range of LSNs. Rows from before have no identity, so the projection
-- is not built for them.
ALTER TABLE entityMetricEvents @on_cluster
    ADD PROJECTION IF NOT EXISTS by_lsn (SELECT sourceLsn, sourceId ORDER BY sourceLsn);

-- Without a window ClickHouse ignores the token of an insert.
ALTER TABLE entityMetricEvents @on_cluster MODIFY SETTING @window;

-- stamp entityMetricEvents ingestedAt --
