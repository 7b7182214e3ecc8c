-- votes_present --
-- Which votes are there already, of these crucibles and this stretch of time: a short range of the primary key.
SELECT crucible_id, vote_epoch, vote_seq
FROM crucible_entry_rating
WHERE crucible_id IN {crucibles:Array(UInt32)}
    AND created_at BETWEEN toDateTime({since:UInt32}) AND toDateTime({until:UInt32})
    AND vote_seq > 0

-- vote_events_present --
-- Which of a plan's vote events are there already.
SELECT sourceId
FROM entityMetricEvents
WHERE entityType = 'Crucible' AND entityId IN {crucibles:Array(Int32)}
    AND createdAt BETWEEN fromUnixTimestamp64Milli({since:Int64}) AND fromUnixTimestamp64Milli({until:Int64})
    AND metricType = 'Vote' AND source = 'vote'

-- create_vote_staging --
-- Rows wait here, in one part under the plan's token, to be moved. Its window of tokens comes with the shape, so a second
-- one who stages the same plan stages nothing.
CREATE TABLE IF NOT EXISTS {staging} AS {table}

-- staged_vote_partitions --
-- Which partitions the staged votes lie in: each is attached by its id.
SELECT DISTINCT partition_id
FROM system.parts
WHERE database = currentDatabase() AND table = {staging_name:String} AND active

-- move_staged_votes --
-- Fires no view: the insert under the plan's own token has given the views theirs. Moved, not copied: two who do this
-- at once bring the rows in once.
ALTER TABLE {staging} MOVE PARTITION ID {partition} TO TABLE {table}

-- old_vote_staging --
-- Staging tables whose process is long gone.
SELECT name
FROM system.tables
WHERE database = currentDatabase() AND name LIKE '%\_vote\_staging\_%'
    AND metadata_modification_time < now() - INTERVAL 1 DAY

-- votes_counted --
-- Numbered votes of some crucibles, also those past the votes' TTL: to be compared with how many Redis has numbered.
SELECT crucible_id, intDiv(sum(votes), 2)
FROM entry_rating_v1
WHERE crucible_id IN {crucibles:Array(UInt32)}
GROUP BY crucible_id
