-- counted_checksums --
-- What was counted of a source table, added up to one number for each range of keys: the same arithmetic as for the rows
-- in PostgreSQL. A metric that the table should not move is number 0, and shows as a difference.
SELECT
    intDiv(sourceKey, {size:Int64}) AS range,
    toString(sum(toInt128(mixed * mixed % 2147483647) * metricValue)) AS total
FROM (
    SELECT
        sourceKey,
        metricValue,
        (((sourceKey % 2147483647 * 1000003 + entityId) % 2147483647 * 1000003 + userId) % 2147483647 * 1000003
            + toInt64(indexOf({metrics:Array(String)}, concat(entityType, '/', metricType)))) % 2147483647 AS mixed
    FROM entityMetricEvents
    WHERE source = {source:String} AND sourceKey BETWEEN {low:Int64} AND {high:Int64}
)
GROUP BY range

-- counted_of_range --
-- What was counted of a range of keys of a source table, there and back again left out.
SELECT sourceKey, entityType, metricType, entityId, userId, sum(metricValue) AS net
FROM entityMetricEvents
WHERE source = {source:String} AND sourceKey >= {low:Int64} AND sourceKey < {high:Int64}
GROUP BY sourceKey, entityType, metricType, entityId, userId
HAVING net != 0

-- counted_of_keys --
-- The same of some keys, as it is by now.
SELECT sourceKey, entityType, metricType, entityId, userId, sum(metricValue) AS net
FROM entityMetricEvents
WHERE source = {source:String} AND sourceKey IN {keys:Array(Int64)}
GROUP BY sourceKey, entityType, metricType, entityId, userId
HAVING net != 0

-- events_twice --
-- Rows of changes that are there more than once, by their source table, with some of their keys; but for those that were
-- mended, which count once again though they are there twice. Votes are looked at by their numbers.
SELECT source, count() AS rows, groupArray(5)(key) AS keys
FROM (
    SELECT source, sourceId, sourceIndex, any(sourceKey) AS key
    FROM entityMetricEvents
    WHERE source NOT IN ('', 'vote')
        AND (source, sourceKey) NOT IN (SELECT source, sourceKey FROM entityMetricEvents WHERE sourceIndex >= 128)
    GROUP BY source, sourceId, sourceIndex
    HAVING count() > 1
)
GROUP BY source
ORDER BY source
SETTINGS max_bytes_before_external_group_by = 1000000000

-- view_differences --
-- Totals that a view shows otherwise than its table's rows add up to.
SELECT entity_type, entity_id, metric_type, sum(raw) AS counted, sum(shown) AS viewed
FROM (
    SELECT entityType AS entity_type, entityId AS entity_id, metricType AS metric_type, sum(metricValue) AS raw, 0 AS shown
    FROM entityMetricEvents
    GROUP BY entity_type, entity_id, metric_type
    UNION ALL
    SELECT entity_type, entity_id, metric_type, 0 AS raw, sum(total) AS shown
    FROM {table}
    GROUP BY entity_type, entity_id, metric_type
)
GROUP BY entity_type, entity_id, metric_type
HAVING counted != viewed
ORDER BY entity_type, entity_id, metric_type
LIMIT {most:UInt32}

-- present_repairs --
-- Repairs of some rows that are there already; their rows are numbered from 128 on, those of changes from 0.
SELECT DISTINCT sourceId
FROM entityMetricEvents
WHERE source IN {sources:Array(String)} AND sourceKey IN {keys:Array(Int64)} AND sourceIndex >= 128

-- repairs_of_keys --
-- How many rows of repairs some rows of a source table have.
SELECT sourceKey, count()
FROM entityMetricEvents
WHERE source = {source:String} AND sourceKey IN {keys:Array(Int64)} AND sourceIndex >= 128
GROUP BY sourceKey
