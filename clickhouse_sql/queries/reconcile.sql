-- fragment counted_events --
-- Metric events of a source table, from the first day on that is wholly kept, in milliseconds; 0: all.
entityMetricEvents
WHERE source = {source:String} AND ({kept_since:Int64} = 0 OR toUnixTimestamp64Milli(createdAt) >= {kept_since:Int64})

-- counted_checksums --
-- What was counted of a source table, added up to one number for each range of keys: the same arithmetic as for the rows
-- in PostgreSQL (watcher/model/checksum.py). A type that the table should not move is number 0, and shows as a difference.
SELECT
    intDiv(sourceKey, {size:Int64}) - (sourceKey < 0 AND sourceKey % {size:Int64} != 0) AS range,
    sum(mixed * mixed % 2147483647 * counted % 2147483647 * metricValue % 2147483647) AS total
FROM (
    SELECT
        sourceKey,
        metricValue,
        (sourceKey % 2147483647 * 998244353 + 1224736769) % 2147483647 AS mixed,
        (
            toInt64(entityId) * 469762049 + toInt64(userId) * 167772161
            + toInt64(
                transform(entityType, {entity_types:Array(String)}, arrayEnumerate({entity_types:Array(String)}), 0) * 1000
                + transform(metricType, {metric_types:Array(String)}, arrayEnumerate({metric_types:Array(String)}), 0)
            ) * 1053818881
        ) % 2147483647 AS counted
    FROM {counted_events} AND sourceKey BETWEEN {low:Int64} AND {high:Int64}
)
GROUP BY range

-- counted_of_range --
-- What was counted of a range of keys of a source table, there and back again left out, and from when on, in milliseconds.
SELECT
    sourceKey, entityType, metricType, entityId, userId,
    sum(metricValue) AS net,
    toUnixTimestamp64Milli(min(createdAt)) AS first
FROM {counted_events} AND sourceKey >= {low:Int64} AND sourceKey < {high:Int64}
GROUP BY sourceKey, entityType, metricType, entityId, userId
HAVING net != 0

-- highest_counted --
-- The highest key of a source table of which anything was counted; 0 where nothing was.
SELECT max(sourceKey) FROM entityMetricEvents WHERE source = {source:String}

-- counted_from --
-- The first key of a source table, from one on, of which anything was counted, and whether there is one.
SELECT min(sourceKey), count() > 0
FROM entityMetricEvents
WHERE source = {source:String} AND sourceKey >= {low:Int64}

-- counted_keys --
-- About how many keys of a range anything was counted of, and from where to where they go.
SELECT uniq(sourceKey), min(sourceKey), max(sourceKey)
FROM entityMetricEvents
WHERE source = {source:String} AND sourceKey >= {low:Int64} AND sourceKey < {high:Int64}

-- counted_of_keys --
-- The same of some keys, as it is by now.
SELECT
    sourceKey, entityType, metricType, entityId, userId,
    sum(metricValue) AS net,
    toUnixTimestamp64Milli(min(createdAt)) AS first
FROM {counted_events} AND sourceKey IN {keys:Array(Int64)}
GROUP BY sourceKey, entityType, metricType, entityId, userId
HAVING net != 0

-- keys_counted --
-- Keys of which something was counted, for a crucible (0: for anything) and since a time in milliseconds (0: ever).
SELECT DISTINCT sourceKey
FROM entityMetricEvents
WHERE source = {source:String}
    AND sourceKey BETWEEN {low:Int64} AND {high:Int64}
    AND ({crucible:Int64} = 0 OR (entityType = 'Crucible' AND entityId = {crucible:Int64}))
    AND ({since:Int64} = 0 OR toUnixTimestamp64Milli(createdAt) >= {since:Int64})

-- keys_come --
-- The next keys of which a change came in since a time in milliseconds, by the server's clock, whenever it happened; for
-- a crucible (0: for anything), and of what happened since another time (0: ever). What was mended is no change.
SELECT DISTINCT sourceKey
FROM entityMetricEvents
WHERE source = {source:String}
    AND ingestedAt >= fromUnixTimestamp64Milli({come:Int64})
    AND sourceIndex < 128
    AND sourceKey >= {low:Int64}
    AND ({crucible:Int64} = 0 OR (entityType = 'Crucible' AND entityId = {crucible:Int64}))
    AND ({since:Int64} = 0 OR toUnixTimestamp64Milli(createdAt) >= {since:Int64})
ORDER BY sourceKey
LIMIT {most:UInt32}

-- ranges_counted --
-- Ranges of keys of which something was counted since a time in milliseconds.
SELECT DISTINCT intDiv(sourceKey, {size:Int64}) - (sourceKey < 0 AND sourceKey % {size:Int64} != 0) AS range
FROM entityMetricEvents
WHERE source = {source:String} AND toUnixTimestamp64Milli(createdAt) >= {since:Int64}

-- engine_of_table --
-- How a table of ours is kept, and its TTL.
SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = {name:String}

-- first_day_kept --
-- The first of the last days of which a TTL has not yet taken anything, in seconds since 1970, UTC.
SELECT toUnixTimestamp(toDateTime(min({column}), 'UTC'))
FROM (
    SELECT toDateTime64(toStartOfDay(now('UTC')), 3, 'UTC') - toIntervalDay(number) AS {column}
    FROM numbers(20000)
)
WHERE ({expression}) > now()

-- events_twice --
-- Rows of changes that are there more than once, by their source table, with some of their keys; but for those that were
-- mended, which count once again though they are there twice. Votes are looked at by their numbers. Changes are sought
-- first whose rows are more than the numbers among them: that takes a fifth of the time that it takes to group all rows
-- by all that is asked.
SELECT source, count() AS rows, groupArray(5)(key) AS keys
FROM (
    SELECT source, sourceId, sourceIndex, any(sourceKey) AS key
    FROM entityMetricEvents
    WHERE source NOT IN ('', 'vote')
        AND sourceId IN (
            SELECT sourceId
            FROM entityMetricEvents
            WHERE source NOT IN ('', 'vote')
            GROUP BY sourceId
            HAVING count() > bitCount(groupBitOr(bitShiftLeft(toUInt64(1), sourceIndex % 64)))
        )
        AND (source, sourceKey) NOT IN (SELECT source, sourceKey FROM entityMetricEvents WHERE sourceIndex >= 128)
    GROUP BY source, sourceId, sourceIndex
    HAVING count() > 1
)
GROUP BY source
ORDER BY source
SETTINGS max_bytes_before_external_group_by = 1000000000

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
