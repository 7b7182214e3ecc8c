-- metric_column_types --
-- Rows go there as bytes without types, so the types must be those that they were packed for.
SELECT name, type
FROM system.columns
WHERE database = currentDatabase() AND table = 'entityMetricEvents'

-- present_identities --
-- Which changes of these log ranges are counted already. {ranges} becomes one BETWEEN a range, with bound parameters;
-- the projection by_lsn makes each a short scan.
SELECT DISTINCT sourceId
FROM entityMetricEvents
WHERE source != '' AND ({ranges})

-- present_at --
-- Which changes at exactly these places of the log are counted already.
SELECT DISTINCT sourceId
FROM entityMetricEvents
WHERE source != '' AND sourceLsn IN {lsns:Array(UInt64)}

-- totals_raw --
-- The totals of some keys by the table's own rows, which every view has to agree with.
SELECT entityType, entityId, metricType, sum(metricValue)
FROM entityMetricEvents
WHERE (entityType, entityId, metricType) IN {keys:Array(Tuple(String, Int32, String))}
GROUP BY entityType, entityId, metricType
