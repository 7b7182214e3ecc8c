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

-- create_staging --
-- A table of the same shape, so that its part can be attached.
CREATE TABLE IF NOT EXISTS {staging} AS entityMetricEvents

-- clear_staging --
-- What an earlier attempt has left there is not attached.
TRUNCATE TABLE IF EXISTS {staging}

-- staged_partitions --
-- Which partitions the staged rows lie in: each is attached by its id.
SELECT DISTINCT partition_id
FROM system.parts
WHERE database = currentDatabase() AND table = {staging_name:String} AND active

-- attach_staged --
-- Fires no view: the insert under the plan's own token has given the views theirs.
ALTER TABLE entityMetricEvents ATTACH PARTITION ID {partition} FROM {staging}

-- drop_staging --
-- It is made anew for the next plan.
DROP TABLE IF EXISTS {staging}

-- totals_raw --
-- The totals of some keys by the table's own rows, which every view has to agree with.
SELECT entityType, entityId, metricType, sum(metricValue)
FROM entityMetricEvents
WHERE (entityType, entityId, metricType) IN {keys:Array(Tuple(String, Int32, String))}
GROUP BY entityType, entityId, metricType
