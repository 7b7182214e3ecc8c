-- How far the watcher was by its own account, a row for each watcher's schema: a copy of either store that is older than
-- the other's is told by it. No view, no TTL: rows of one watcher become one.

-- statements --
CREATE TABLE IF NOT EXISTS watcher_mark @on_cluster
(
    watcher String,
    mark    SimpleAggregateFunction(max, Tuple(UInt32, UInt64, UInt64)) -- history, number, position in PostgreSQL's log
)
ENGINE = @engine(AggregatingMergeTree)
ORDER BY watcher;
