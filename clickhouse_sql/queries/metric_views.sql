-- totals_by_metric --
-- The totals of some keys as the view shows them, to be compared with the table's own.
SELECT entity_type, entity_id, metric_type, sum(total)
FROM metric_totals_v1
WHERE (entity_type, entity_id, metric_type) IN {keys:Array(Tuple(String, Int32, String))}
GROUP BY entity_type, entity_id, metric_type

-- totals_by_day --
-- The same keys as the view by day shows them.
SELECT entity_type, entity_id, metric_type, sum(total)
FROM metric_daily_v1
WHERE (entity_type, entity_id, metric_type) IN {keys:Array(Tuple(String, Int32, String))}
GROUP BY entity_type, entity_id, metric_type

-- totals_by_hour --
-- The same keys as the view by hour shows them.
SELECT entity_type, entity_id, metric_type, sum(total)
FROM metric_hourly_v1
WHERE (entity_type, entity_id, metric_type) IN {keys:Array(Tuple(String, Int32, String))}
GROUP BY entity_type, entity_id, metric_type
