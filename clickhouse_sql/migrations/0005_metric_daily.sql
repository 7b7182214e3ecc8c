-- How each metric of each entity moved, day by day (UTC).

-- view metric_daily_v1 of entityMetricEvents by ingestedAt --
-- target --
CREATE TABLE IF NOT EXISTS metric_daily_v1 @on_cluster
(
    entity_type LowCardinality(String),
    entity_id   Int32,
    metric_type LowCardinality(String),
    day         Date32,
    total       SimpleAggregateFunction(sum, Int64),
    events      SimpleAggregateFunction(sum, UInt64),
    bucket      UInt16
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY bucket
ORDER BY (entity_type, entity_id, metric_type, day)
SETTINGS @window;
-- select --
SELECT
    entityType                  AS entity_type,
    entityId                    AS entity_id,
    metricType                  AS metric_type,
    toDate32(createdAt, 'UTC')  AS day,
    sum(metricValue)            AS total,
    count()                     AS events,
    @bucket                     AS bucket
FROM entityMetricEvents
WHERE @rows
GROUP BY entity_type, entity_id, metric_type, day
-- key --
entityType, entityId, metricType
-- fingerprint --
entity_type, entity_id, metric_type, day, total, events
-- reader --
CREATE OR REPLACE VIEW metric_daily @on_cluster AS
SELECT entity_type, entity_id, metric_type, day, sum(total) AS total, sum(events) AS events
FROM metric_daily_v1
GROUP BY entity_type, entity_id, metric_type, day;
