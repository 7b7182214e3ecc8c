-- clickhouse 0001_metric_events

-- In the site's exact form first, so that a new table and one that is there already go through the same changes.
CREATE TABLE IF NOT EXISTS entityMetricEvents
(
    entityType  LowCardinality(String),
    entityId    Int32,
    userId      Int32,
    metricType  LowCardinality(String),
    metricValue Int32,
    createdAt   DateTime64(3)
)
ENGINE = MergeTree()
ORDER BY (entityType, entityId, createdAt);

-- Whence a row came. Writers that know nothing of these columns go on as before.
ALTER TABLE entityMetricEvents
    ADD COLUMN IF NOT EXISTS source      LowCardinality(String) DEFAULT '',
    ADD COLUMN IF NOT EXISTS sourceKey   Int64                  DEFAULT 0,
    ADD COLUMN IF NOT EXISTS sourceLsn   UInt64                 DEFAULT 0,
    ADD COLUMN IF NOT EXISTS sourceId    FixedString(16)        DEFAULT '',
    ADD COLUMN IF NOT EXISTS sourceIndex UInt8                  DEFAULT 0;

-- "Which of these changes are there already?" is a range of LSNs. Rows from before have no identity, so the projection
-- is not built for them.
ALTER TABLE entityMetricEvents
    ADD PROJECTION IF NOT EXISTS by_lsn (SELECT sourceLsn, sourceId ORDER BY sourceLsn);

-- Without a window ClickHouse ignores the token of an insert.
ALTER TABLE entityMetricEvents  MODIFY SETTING replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800;

ALTER TABLE entityMetricEvents  ADD COLUMN IF NOT EXISTS ingestedAt DateTime64(3) DEFAULT toDateTime64(0, 3);

ALTER TABLE entityMetricEvents  MATERIALIZE COLUMN ingestedAt;

ALTER TABLE entityMetricEvents  MODIFY COLUMN ingestedAt DateTime64(3) DEFAULT now64(3);

-- clickhouse 0002_entry_ratings

CREATE TABLE IF NOT EXISTS crucible_entry_rating
(
    crucible_id     UInt32,
    winner_entry_id UInt32,
    loser_entry_id  UInt32,
    user_id         UInt32,
    created_at      DateTime DEFAULT now()
)
ENGINE = MergeTree()
PARTITION BY toYYYYMM(created_at)
ORDER BY (crucible_id, created_at)
TTL created_at + INTERVAL 90 DAY;

-- vote_seq 0 is a vote that was not numbered: it counts in analytics, never in ratings.
ALTER TABLE crucible_entry_rating
    ADD COLUMN IF NOT EXISTS vote_epoch UInt32 DEFAULT 0,
    ADD COLUMN IF NOT EXISTS vote_seq   UInt64 DEFAULT 0,
    ADD COLUMN IF NOT EXISTS winner_elo Int32  DEFAULT 0,
    ADD COLUMN IF NOT EXISTS loser_elo  Int32  DEFAULT 0;

ALTER TABLE crucible_entry_rating  MODIFY SETTING replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800;

ALTER TABLE crucible_entry_rating  ADD COLUMN IF NOT EXISTS ingested_at DateTime64(3) DEFAULT toDateTime64(0, 3);

ALTER TABLE crucible_entry_rating  MATERIALIZE COLUMN ingested_at;

ALTER TABLE crucible_entry_rating  MODIFY COLUMN ingested_at DateTime64(3) DEFAULT now64(3);

-- clickhouse 0003_entry_rating_buffer

-- 16 layers; flushed after 10 to 100 seconds, 10,000 to 1,000,000 rows, 10 to 100 MB. A crash of the server loses what
-- it holds, and it cannot recognise a repeated insert.
CREATE TABLE IF NOT EXISTS crucible_entry_rating_buffer  AS crucible_entry_rating
ENGINE = Buffer('default', crucible_entry_rating, 16, 10, 100, 10000, 1000000, 10000000, 100000000);

-- clickhouse 0004_metric_totals

CREATE TABLE IF NOT EXISTS metric_totals_v1
(
    entity_type LowCardinality(String),
    entity_id   Int32,
    metric_type LowCardinality(String),
    total       SimpleAggregateFunction(sum, Int64),
    events      SimpleAggregateFunction(sum, UInt64),
    bucket      UInt16
)
ENGINE = AggregatingMergeTree()
PARTITION BY bucket
ORDER BY (entity_type, entity_id, metric_type)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW metric_totals_v1_mv  TO metric_totals_v1 AS
SELECT
    entityType       AS entity_type,
    entityId         AS entity_id,
    metricType       AS metric_type,
    sum(metricValue) AS total,
    count()          AS events,
    toUInt16(0)          AS bucket
FROM entityMetricEvents
WHERE ingestedAt >= fromUnixTimestamp64Milli(BOUNDARY)
GROUP BY entity_type, entity_id, metric_type
COMMENT 'rows from BOUNDARY';

INSERT INTO metric_totals_v1
SELECT
    entityType       AS entity_type,
    entityId         AS entity_id,
    metricType       AS metric_type,
    sum(metricValue) AS total,
    count()          AS events,
    toUInt16(BUCKET)          AS bucket
FROM entityMetricEvents
WHERE ingestedAt < fromUnixTimestamp64Milli(BOUNDARY)
GROUP BY entity_type, entity_id, metric_type;

CREATE OR REPLACE VIEW metric_totals  AS
SELECT entity_type, entity_id, metric_type, sum(total) AS total, sum(events) AS events
FROM metric_totals_v1
GROUP BY entity_type, entity_id, metric_type;

-- clickhouse 0005_metric_daily

CREATE TABLE IF NOT EXISTS metric_daily_v1
(
    entity_type LowCardinality(String),
    entity_id   Int32,
    metric_type LowCardinality(String),
    day         Date32,
    total       SimpleAggregateFunction(sum, Int64),
    events      SimpleAggregateFunction(sum, UInt64),
    bucket      UInt16
)
ENGINE = AggregatingMergeTree()
PARTITION BY bucket
ORDER BY (entity_type, entity_id, metric_type, day)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW metric_daily_v1_mv  TO metric_daily_v1 AS
SELECT
    entityType                  AS entity_type,
    entityId                    AS entity_id,
    metricType                  AS metric_type,
    toDate32(createdAt, 'UTC')  AS day,
    sum(metricValue)            AS total,
    count()                     AS events,
    toUInt16(0)                     AS bucket
FROM entityMetricEvents
WHERE ingestedAt >= fromUnixTimestamp64Milli(BOUNDARY)
GROUP BY entity_type, entity_id, metric_type, day
COMMENT 'rows from BOUNDARY';

INSERT INTO metric_daily_v1
SELECT
    entityType                  AS entity_type,
    entityId                    AS entity_id,
    metricType                  AS metric_type,
    toDate32(createdAt, 'UTC')  AS day,
    sum(metricValue)            AS total,
    count()                     AS events,
    toUInt16(BUCKET)                     AS bucket
FROM entityMetricEvents
WHERE ingestedAt < fromUnixTimestamp64Milli(BOUNDARY)
GROUP BY entity_type, entity_id, metric_type, day;

CREATE OR REPLACE VIEW metric_daily  AS
SELECT entity_type, entity_id, metric_type, day, sum(total) AS total, sum(events) AS events
FROM metric_daily_v1
GROUP BY entity_type, entity_id, metric_type, day;

-- clickhouse 0006_metric_hourly

CREATE TABLE IF NOT EXISTS metric_hourly_v1
(
    entity_type LowCardinality(String),
    entity_id   Int32,
    metric_type LowCardinality(String),
    hour        DateTime64(0, 'UTC'),
    total       SimpleAggregateFunction(sum, Int64),
    events      SimpleAggregateFunction(sum, UInt64),
    bucket      UInt16
)
ENGINE = AggregatingMergeTree()
PARTITION BY bucket
ORDER BY (entity_type, entity_id, metric_type, hour)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW metric_hourly_v1_mv  TO metric_hourly_v1 AS
SELECT
    entityType       AS entity_type,
    entityId         AS entity_id,
    metricType       AS metric_type,
    toDateTime64(intDiv(toUnixTimestamp64Milli(createdAt), 3600000) * 3600, 0, 'UTC') AS hour,
    sum(metricValue) AS total,
    count()          AS events,
    toUInt16(0)          AS bucket
FROM entityMetricEvents
WHERE ingestedAt >= fromUnixTimestamp64Milli(BOUNDARY)
GROUP BY entity_type, entity_id, metric_type, hour
COMMENT 'rows from BOUNDARY';

INSERT INTO metric_hourly_v1
SELECT
    entityType       AS entity_type,
    entityId         AS entity_id,
    metricType       AS metric_type,
    toDateTime64(intDiv(toUnixTimestamp64Milli(createdAt), 3600000) * 3600, 0, 'UTC') AS hour,
    sum(metricValue) AS total,
    count()          AS events,
    toUInt16(BUCKET)          AS bucket
FROM entityMetricEvents
WHERE ingestedAt < fromUnixTimestamp64Milli(BOUNDARY)
GROUP BY entity_type, entity_id, metric_type, hour;

CREATE OR REPLACE VIEW metric_hourly  AS
SELECT entity_type, entity_id, metric_type, hour, sum(total) AS total, sum(events) AS events
FROM metric_hourly_v1
GROUP BY entity_type, entity_id, metric_type, hour;

-- clickhouse 0007_crucible_votes

CREATE TABLE IF NOT EXISTS crucible_votes_v1
(
    crucible_id UInt32,
    votes       SimpleAggregateFunction(sum, UInt64),
    judges      AggregateFunction(uniqExact, UInt32),
    first_vote  SimpleAggregateFunction(min, DateTime),
    last_vote   SimpleAggregateFunction(max, DateTime),
    bucket      UInt16
)
ENGINE = AggregatingMergeTree()
PARTITION BY bucket
ORDER BY crucible_id
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW crucible_votes_v1_mv  TO crucible_votes_v1 AS
SELECT
    crucible_id,
    count()                  AS votes,
    uniqExactState(user_id)  AS judges,
    min(created_at)          AS first_vote,
    max(created_at)          AS last_vote,
    toUInt16(0)                  AS bucket
FROM crucible_entry_rating
WHERE ingested_at >= fromUnixTimestamp64Milli(BOUNDARY)
GROUP BY crucible_id
COMMENT 'rows from BOUNDARY';

INSERT INTO crucible_votes_v1
SELECT
    crucible_id,
    count()                  AS votes,
    uniqExactState(user_id)  AS judges,
    min(created_at)          AS first_vote,
    max(created_at)          AS last_vote,
    toUInt16(BUCKET)                  AS bucket
FROM crucible_entry_rating
WHERE ingested_at < fromUnixTimestamp64Milli(BOUNDARY)
GROUP BY crucible_id;

-- The entries come from the metric events: +1 for one that joined, -1 for one that left.
CREATE OR REPLACE VIEW crucible_stats  AS
SELECT
    crucible_id,
    sum(entries)     AS entries,
    sum(votes)       AS votes,
    sum(judges)      AS judges,
    min(first_vote)  AS first_vote,
    max(last_vote)   AS last_vote
FROM
(
    SELECT
        crucible_id,
        toInt64(0)                     AS entries,
        sum(votes)                     AS votes,
        uniqExactMerge(judges)         AS judges,
        toNullable(min(first_vote))    AS first_vote,
        toNullable(max(last_vote))     AS last_vote
    FROM crucible_votes_v1
    GROUP BY crucible_id
    UNION ALL
    SELECT toUInt32(entity_id), sum(total), toUInt64(0), toUInt64(0), NULL, NULL
    FROM metric_totals_v1
    WHERE entity_type = 'Crucible' AND metric_type = 'Entry'
    GROUP BY entity_id
)
GROUP BY crucible_id;

-- clickhouse 0008_entry_record

CREATE TABLE IF NOT EXISTS entry_record_v1
(
    crucible_id UInt32,
    entry_id    UInt32,
    wins        SimpleAggregateFunction(sum, UInt64),
    losses      SimpleAggregateFunction(sum, UInt64),
    bucket      UInt16
)
ENGINE = AggregatingMergeTree()
PARTITION BY bucket
ORDER BY (crucible_id, entry_id)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW entry_record_v1_mv  TO entry_record_v1 AS
SELECT
    crucible_id,
    tupleElement(side, 1)       AS entry_id,
    sum(tupleElement(side, 2))  AS wins,
    sum(tupleElement(side, 3))  AS losses,
    toUInt16(0)                     AS bucket
FROM crucible_entry_rating
ARRAY JOIN [(winner_entry_id, 1, 0), (loser_entry_id, 0, 1)] AS side
WHERE ingested_at >= fromUnixTimestamp64Milli(BOUNDARY)
GROUP BY crucible_id, entry_id
COMMENT 'rows from BOUNDARY';

INSERT INTO entry_record_v1
SELECT
    crucible_id,
    tupleElement(side, 1)       AS entry_id,
    sum(tupleElement(side, 2))  AS wins,
    sum(tupleElement(side, 3))  AS losses,
    toUInt16(BUCKET)                     AS bucket
FROM crucible_entry_rating
ARRAY JOIN [(winner_entry_id, 1, 0), (loser_entry_id, 0, 1)] AS side
WHERE ingested_at < fromUnixTimestamp64Milli(BOUNDARY)
GROUP BY crucible_id, entry_id;

CREATE OR REPLACE VIEW entry_record  AS
SELECT crucible_id, entry_id, sum(wins) AS wins, sum(losses) AS losses
FROM entry_record_v1
GROUP BY crucible_id, entry_id;

-- clickhouse 0009_judge_activity

CREATE TABLE IF NOT EXISTS judge_activity_v1
(
    user_id     UInt32,
    crucible_id UInt32,
    votes       SimpleAggregateFunction(sum, UInt64),
    first_vote  SimpleAggregateFunction(min, DateTime),
    last_vote   SimpleAggregateFunction(max, DateTime),
    bucket      UInt16
)
ENGINE = AggregatingMergeTree()
PARTITION BY bucket
ORDER BY (user_id, crucible_id)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW judge_activity_v1_mv  TO judge_activity_v1 AS
SELECT
    user_id,
    crucible_id,
    count()          AS votes,
    min(created_at)  AS first_vote,
    max(created_at)  AS last_vote,
    toUInt16(0)          AS bucket
FROM crucible_entry_rating
WHERE ingested_at >= fromUnixTimestamp64Milli(BOUNDARY)
GROUP BY user_id, crucible_id
COMMENT 'rows from BOUNDARY';

INSERT INTO judge_activity_v1
SELECT
    user_id,
    crucible_id,
    count()          AS votes,
    min(created_at)  AS first_vote,
    max(created_at)  AS last_vote,
    toUInt16(BUCKET)          AS bucket
FROM crucible_entry_rating
WHERE ingested_at < fromUnixTimestamp64Milli(BOUNDARY)
GROUP BY user_id, crucible_id;

CREATE OR REPLACE VIEW judge_activity  AS
SELECT
    user_id,
    crucible_id,
    sum(votes)       AS votes,
    min(first_vote)  AS first_vote,
    max(last_vote)   AS last_vote
FROM judge_activity_v1
GROUP BY user_id, crucible_id;

-- clickhouse 0010_entry_rating

CREATE TABLE IF NOT EXISTS entry_rating_v1
(
    crucible_id UInt32,
    entry_id    UInt32,
    rating      AggregateFunction(argMax, Int32, Tuple(UInt32, UInt64)),
    last_vote   SimpleAggregateFunction(max, Tuple(UInt32, UInt64)),
    votes       SimpleAggregateFunction(sum, UInt64),
    bucket      UInt16
)
ENGINE = AggregatingMergeTree()
PARTITION BY bucket
ORDER BY (crucible_id, entry_id)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW entry_rating_v1_mv  TO entry_rating_v1 AS
SELECT
    crucible_id,
    tupleElement(side, 1)                                     AS entry_id,
    argMaxState(tupleElement(side, 2), (vote_epoch, vote_seq)) AS rating,
    max((vote_epoch, vote_seq))                               AS last_vote,
    count()                                                   AS votes,
    toUInt16(0)                                                   AS bucket
FROM crucible_entry_rating
ARRAY JOIN [(winner_entry_id, winner_elo), (loser_entry_id, loser_elo)] AS side
WHERE vote_seq > 0 AND ingested_at >= fromUnixTimestamp64Milli(BOUNDARY)
GROUP BY crucible_id, entry_id
COMMENT 'rows from BOUNDARY';

INSERT INTO entry_rating_v1
SELECT
    crucible_id,
    tupleElement(side, 1)                                     AS entry_id,
    argMaxState(tupleElement(side, 2), (vote_epoch, vote_seq)) AS rating,
    max((vote_epoch, vote_seq))                               AS last_vote,
    count()                                                   AS votes,
    toUInt16(BUCKET)                                                   AS bucket
FROM crucible_entry_rating
ARRAY JOIN [(winner_entry_id, winner_elo), (loser_entry_id, loser_elo)] AS side
WHERE vote_seq > 0 AND ingested_at < fromUnixTimestamp64Milli(BOUNDARY)
GROUP BY crucible_id, entry_id;

CREATE OR REPLACE VIEW entry_rating  AS
SELECT
    crucible_id,
    entry_id,
    argMaxMerge(rating)              AS rating,
    tupleElement(max(last_vote), 1)  AS vote_epoch,
    tupleElement(max(last_vote), 2)  AS vote_seq,
    sum(votes)                       AS votes
FROM entry_rating_v1
GROUP BY crucible_id, entry_id;

-- clickhouse 0011_watcher_mark

CREATE TABLE IF NOT EXISTS watcher_mark
(
    watcher String,
    mark    SimpleAggregateFunction(max, Tuple(UInt32, UInt64, UInt64)) -- history, number, position in PostgreSQL's log
)
ENGINE = AggregatingMergeTree()
ORDER BY watcher;
