-- last_vote --
-- The last numbered vote of a crucible, and how many there were; all of them, also those past the votes' TTL. Numbers
-- that only the votes themselves tell of, because the view lacks a part, were given out as well.
SELECT tupleElement(max(last), 1), tupleElement(max(last), 2), sum(counted)
FROM
(
    SELECT max(last_vote) AS last, intDiv(sum(votes), 2) AS counted
    FROM entry_rating_v1
    WHERE crucible_id = {crucible:UInt32}
    UNION ALL
    SELECT max((vote_epoch, vote_seq)) AS last, 0 AS counted
    FROM crucible_entry_rating
    WHERE crucible_id = {crucible:UInt32} AND vote_seq > 0
)

-- entry_ratings --
-- A page of entries as their last vote left them.
SELECT entry_id, rating, votes
FROM entry_rating
WHERE crucible_id = {crucible:UInt32} AND entry_id > {after:UInt32} AND entry_id <= {until:UInt32}

-- vote_spans --
-- Which numbers are there, by epoch and in portions, and when they were given: the time is what the table is ordered by.
SELECT vote_epoch, min(vote_seq), max(vote_seq), count(), toUnixTimestamp(min(created_at)), toUnixTimestamp(max(created_at))
FROM crucible_entry_rating
WHERE crucible_id = {crucible:UInt32} AND vote_seq > 0
GROUP BY vote_epoch, intDiv(vote_seq - 1, {most:UInt64})
ORDER BY vote_epoch, min(vote_seq)

-- votes_in_order --
SELECT vote_seq, winner_entry_id, loser_entry_id, winner_elo, loser_elo
FROM crucible_entry_rating
WHERE crucible_id = {crucible:UInt32}
    AND created_at BETWEEN toDateTime({since:UInt32}) AND toDateTime({until:UInt32})
    AND vote_epoch = {epoch:UInt32} AND vote_seq BETWEEN {first:UInt64} AND {last:UInt64}
ORDER BY vote_seq

-- judged_pairs --
-- What each judge of a portion of them said of which pair, as commands in Redis' own protocol (HSET judged:<user> pair
-- outcome ...), some judges' in a text: they go from here to there as they are, which takes a tenth of the time of
-- handling each. By judge and not by number: Redis takes a judge's pairs at once in less time than some at a time.
SELECT sum(pairs), arrayStringConcat(groupArray(command)), groupArray(user_id)
FROM
(
    SELECT
        user_id,
        count() AS pairs,
        concat({tag:String}, 'judged:', toString(user_id)) AS name,
        concat(
            '*', toString(2 + 2 * pairs), '\r\n$4\r\nHSET\r\n$', toString(length(name)), '\r\n', name, '\r\n',
            arrayStringConcat(groupArray(concat(
                '$', toString(length(field)), '\r\n', field, '\r\n$', toString(length(value)), '\r\n', value, '\r\n'
            )))
        ) AS command
    FROM
    (
        SELECT
            user_id,
            concat(
                toString(least(winner_entry_id, loser_entry_id)), ':', toString(greatest(winner_entry_id, loser_entry_id))
            ) AS field,
            concat(
                toString(winner_entry_id), ':', toString(vote_epoch), ':', toString(vote_seq), ':',
                toString(winner_elo), ':', toString(loser_elo), ':', toString(toUnixTimestamp(created_at)), '000'
            ) AS value
        FROM crucible_entry_rating
        WHERE crucible_id = {crucible:UInt32} AND vote_seq > 0 AND user_id % {portions:UInt32} = {portion:UInt32}
    )
    GROUP BY user_id
)
GROUP BY intDiv(user_id, {portions:UInt32}) % {parts:UInt32}

-- votes_without_event --
-- Votes of a span whose metric event was never written, because Redis was lost with the plan between the two. An event
-- has no epoch; who, which number and when is the same vote. By span, so that neither side is ever held whole. Times
-- are compared as what they are: as seconds, an index may leave out milliseconds of the last one.
SELECT vote_epoch, vote_seq, winner_entry_id, loser_entry_id, user_id, toInt64(toUnixTimestamp(created_at)) * 1000,
    winner_elo, loser_elo
FROM crucible_entry_rating
WHERE crucible_id = {crucible:UInt32}
    AND created_at BETWEEN toDateTime({since:UInt32}) AND toDateTime({until:UInt32})
    AND vote_epoch = {epoch:UInt32} AND vote_seq BETWEEN {first:UInt64} AND {last:UInt64}
    AND (user_id, vote_seq, toUnixTimestamp(created_at)) NOT IN
    (
        SELECT toUInt32(userId), sourceLsn, toUInt32(intDiv(toUnixTimestamp64Milli(createdAt), 1000))
        FROM entityMetricEvents
        WHERE entityType = 'Crucible' AND entityId = {crucible:Int32} AND metricType = 'Vote' AND source = 'vote'
            AND createdAt >= fromUnixTimestamp64Milli(toInt64({since:UInt32}) * 1000)
            AND createdAt < fromUnixTimestamp64Milli(toInt64({until:UInt32} + 1) * 1000)
            AND sourceLsn BETWEEN {first:UInt64} AND {last:UInt64}
    )
ORDER BY created_at, vote_seq
