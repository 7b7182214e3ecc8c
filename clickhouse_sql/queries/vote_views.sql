-- votes_raw --
-- How many votes each of some crucibles has, as the raw table has them; views are compared with that after a recovery.
SELECT crucible_id, count()
FROM crucible_entry_rating
WHERE crucible_id IN {keys:Array(UInt32)}
GROUP BY crucible_id

-- numbered_votes_raw --
-- Votes of some crucibles by the table's own rows, which every view has to agree with.
SELECT crucible_id, countIf(vote_seq > 0)
FROM crucible_entry_rating
WHERE crucible_id IN {keys:Array(UInt32)}
GROUP BY crucible_id

-- votes_by_crucible --
-- The same votes as the view by crucible shows them.
SELECT crucible_id, sum(votes)
FROM crucible_votes_v1
WHERE crucible_id IN {keys:Array(UInt32)}
GROUP BY crucible_id

-- votes_by_entry --
-- Each vote has one winner.
SELECT crucible_id, sum(wins)
FROM entry_record_v1
WHERE crucible_id IN {keys:Array(UInt32)}
GROUP BY crucible_id

-- votes_by_judge --
-- The view is ordered by judge, so this reads all of it; it is asked after a recovery only.
SELECT crucible_id, sum(votes)
FROM judge_activity_v1
WHERE crucible_id IN {keys:Array(UInt32)}
GROUP BY crucible_id

-- votes_by_rating --
-- Each vote has two sides.
SELECT crucible_id, intDiv(sum(votes), 2)
FROM entry_rating_v1
WHERE crucible_id IN {keys:Array(UInt32)}
GROUP BY crucible_id

-- vote_events_raw --
-- The votes' events by the table's own rows, which every view has to agree with.
SELECT entityId, sum(metricValue)
FROM entityMetricEvents
WHERE entityType = 'Crucible' AND entityId IN {keys:Array(Int32)} AND metricType = 'Vote'
GROUP BY entityId

-- vote_events_in_totals --
-- The same events as the view of totals shows them.
SELECT entity_id, sum(total)
FROM metric_totals_v1
WHERE entity_type = 'Crucible' AND entity_id IN {keys:Array(Int32)} AND metric_type = 'Vote'
GROUP BY entity_id

-- vote_events_by_day --
-- The same events as the view by day shows them.
SELECT entity_id, sum(total)
FROM metric_daily_v1
WHERE entity_type = 'Crucible' AND entity_id IN {keys:Array(Int32)} AND metric_type = 'Vote'
GROUP BY entity_id

-- vote_events_by_hour --
-- The same events as the view by hour shows them.
SELECT entity_id, sum(total)
FROM metric_hourly_v1
WHERE entity_type = 'Crucible' AND entity_id IN {keys:Array(Int32)} AND metric_type = 'Vote'
GROUP BY entity_id
