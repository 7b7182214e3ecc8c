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

-- votes_counted --
-- Numbered votes of some crucibles, also those past the votes' TTL: to be compared with how many Redis has numbered.
SELECT crucible_id, intDiv(sum(votes), 2)
FROM entry_rating_v1
WHERE crucible_id IN {crucibles:Array(UInt32)}
GROUP BY crucible_id
