-- make_shadow --
-- Where the rows of a replay are gathered: beside the table, with no view behind it.
CREATE TABLE IF NOT EXISTS {table} AS entityMetricEvents

-- clear_shadow --
-- What an earlier run has left there.
TRUNCATE TABLE {table}

-- drop_shadow --
-- When its rows were compared.
DROP TABLE IF EXISTS {table}

-- shadow_changes --
-- How many changes lie there.
SELECT uniq(sourceKey, sourceLsn) FROM {table}

-- meanings_compared --
-- Changes whose rows by the present handlers are others than those that were counted, of one part of the keys. Each change
-- with its identity, how many rows it has in the table and how many of earlier replays, and each total with what it is by
-- the handlers and what was counted. A row that is there twice is one: whoever puts that right does it for itself.
SELECT
    sourceKey, sourceLsn, toUnixTimestamp64Milli(createdAt), hex(max(who)), sum(there), sum(earlier),
    groupArrayIf((entityType, entityId, userId, metricType, wanted, counted), wanted != counted) AS wrong
FROM (
    SELECT
        sourceKey, sourceLsn, createdAt, entityType, entityId, userId, metricType,
        sumIf(metricValue, shown) AS wanted,
        sumIf(metricValue, NOT shown) AS counted,
        countIf(NOT shown AND sourceIndex < 128) AS there,
        countIf(NOT shown AND sourceIndex >= 128) AS earlier,
        max(change) AS who
    FROM (
        SELECT DISTINCT
            sourceKey, sourceLsn, createdAt, entityType, entityId, userId, metricType, metricValue, sourceId, sourceIndex,
            true AS shown, sourceId AS change
        FROM {table}
        WHERE cityHash64(sourceKey) % {parts:UInt32} = {part:UInt32}
        UNION ALL
        SELECT DISTINCT
            sourceKey, sourceLsn, createdAt, entityType, entityId, userId, metricType, metricValue, sourceId, sourceIndex,
            false AS shown, toFixedString('', 16) AS change
        FROM entityMetricEvents
        WHERE source = {source:String} AND cityHash64(sourceKey) % {parts:UInt32} = {part:UInt32}
            AND (sourceKey, sourceLsn, createdAt) IN (
                SELECT sourceKey, sourceLsn, createdAt FROM {table} WHERE cityHash64(sourceKey) % {parts:UInt32} = {part:UInt32}
            )
    )
    GROUP BY sourceKey, sourceLsn, createdAt, entityType, entityId, userId, metricType
)
GROUP BY sourceKey, sourceLsn, createdAt
HAVING notEmpty(wrong)
ORDER BY sourceKey, sourceLsn, createdAt
SETTINGS max_bytes_before_external_group_by = 1000000000
