-- How much of each metric each entity has.

-- view metric_totals_v1 of entityMetricEvents by ingestedAt --
-- target --
CREATE TABLE IF NOT EXISTS metric_totals_v1 @on_cluster
(
    entity_type LowCardinality(String),
    entity_id   Int32,
    metric_type LowCardinality(String),
    total       SimpleAggregateFunction(sum, Int64),
    events      SimpleAggregateFunction(sum, UInt64),
    bucket      UInt16
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY bucket
ORDER BY (entity_type, entity_id, metric_type)
SETTINGS @window;
-- select --
SELECT
    entityType       AS entity_type,
    entityId         AS entity_id,
    metricType       AS metric_type,
    sum(metricValue) AS total,
    count()          AS events,
    @bucket          AS bucket
FROM entityMetricEvents
WHERE @rows
GROUP BY entity_type, entity_id, metric_type
-- key --
entityType, entityId, metricType
-- fingerprint --
entity_type, entity_id, metric_type, total, events
-- reader --
CREATE OR REPLACE VIEW metric_totals @on_cluster AS
SELECT entity_type, entity_id, metric_type, sum(total) AS total, sum(events) AS events
FROM metric_totals_v1
GROUP BY entity_type, entity_id, metric_type;
