-- last_vote --
-- The last numbered vote of a crucible, and how many there were; all of them, also those past the votes' TTL.
SELECT tupleElement(max(last_vote), 1), tupleElement(max(last_vote), 2), intDiv(sum(votes), 2)
FROM entry_rating_v1
WHERE crucible_id = {crucible:UInt32}

-- entry_ratings --
-- A page of entries as their last vote left them.
SELECT entry_id, rating, votes
FROM entry_rating
WHERE crucible_id = {crucible:UInt32} AND entry_id > {after:UInt32} AND entry_id <= {until:UInt32}

-- vote_spans --
-- Which numbers are there, by epoch.
SELECT vote_epoch, min(vote_seq), max(vote_seq), count()
FROM crucible_entry_rating
WHERE crucible_id = {crucible:UInt32} AND vote_seq > 0
GROUP BY vote_epoch
ORDER BY vote_epoch

-- votes_in_order --
SELECT vote_epoch, vote_seq, winner_entry_id, loser_entry_id, user_id, 0, winner_elo, loser_elo
FROM crucible_entry_rating
WHERE crucible_id = {crucible:UInt32} AND vote_epoch = {epoch:UInt32} AND vote_seq BETWEEN {first:UInt64} AND {last:UInt64}
ORDER BY vote_seq

-- judged_pairs --
-- What each judge said of which pair, field and value in turn, in the words of Redis' script.
SELECT
    user_id,
    arrayFlatten(groupArray([
        concat(
            toString(least(winner_entry_id, loser_entry_id)), ':', toString(greatest(winner_entry_id, loser_entry_id))
        ),
        concat(
            toString(winner_entry_id), ':', toString(vote_epoch), ':', toString(vote_seq), ':',
            toString(winner_elo), ':', toString(loser_elo), ':', toString(toUnixTimestamp(created_at)), '000'
        )
    ]))
FROM crucible_entry_rating
WHERE crucible_id = {crucible:UInt32} AND vote_epoch = {epoch:UInt32} AND vote_seq BETWEEN {first:UInt64} AND {last:UInt64}
GROUP BY user_id

-- votes_without_event --
-- Votes whose metric event was never written, because Redis was lost with the plan between the two. An event has no
-- epoch; who, which number and when is the same vote.
SELECT vote_epoch, vote_seq, winner_entry_id, loser_entry_id, user_id, toInt64(toUnixTimestamp(created_at)) * 1000,
    winner_elo, loser_elo
FROM crucible_entry_rating
WHERE crucible_id = {crucible:UInt32} AND vote_seq > 0
    AND (user_id, vote_seq, toUnixTimestamp(created_at)) NOT IN
    (
        SELECT toUInt32(userId), sourceLsn, toUInt32(intDiv(toUnixTimestamp64Milli(createdAt), 1000))
        FROM entityMetricEvents
        WHERE entityType = 'Crucible' AND entityId = {crucible:Int32} AND metricType = 'Vote' AND source = 'vote'
    )
ORDER BY created_at, vote_epoch, vote_seq
