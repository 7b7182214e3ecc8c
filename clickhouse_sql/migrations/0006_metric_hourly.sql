-- How each metric of each entity moved, hour by hour (UTC).

-- view metric_hourly_v1 of entityMetricEvents by ingestedAt --
-- target --
CREATE TABLE IF NOT EXISTS metric_hourly_v1 @on_cluster
(
    entity_type LowCardinality(String),
    entity_id   Int32,
    metric_type LowCardinality(String),
    hour        DateTime64(0, 'UTC'),
    total       SimpleAggregateFunction(sum, Int64),
    events      SimpleAggregateFunction(sum, UInt64),
    bucket      UInt16
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY bucket
ORDER BY (entity_type, entity_id, metric_type, hour)
SETTINGS @window;
-- select --
SELECT
    entityType       AS entity_type,
    entityId         AS entity_id,
    metricType       AS metric_type,
    toDateTime64(intDiv(toUnixTimestamp64Milli(createdAt), 3600000) * 3600, 0, 'UTC') AS hour,
    sum(metricValue) AS total,
    count()          AS events,
    @bucket          AS bucket
FROM entityMetricEvents
WHERE @rows
GROUP BY entity_type, entity_id, metric_type, hour
-- key --
entityType, entityId, metricType
-- fingerprint --
entity_type, entity_id, metric_type, hour, total, events
-- reader --
CREATE OR REPLACE VIEW metric_hourly @on_cluster AS
SELECT entity_type, entity_id, metric_type, hour, sum(total) AS total, sum(events) AS events
FROM metric_hourly_v1
GROUP BY entity_type, entity_id, metric_type, hour;
