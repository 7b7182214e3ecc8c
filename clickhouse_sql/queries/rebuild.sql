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
-- Twenty-four bytes a vote, see watcher/model/replay_rows.py.
SELECT toUInt64(vote_seq), toUInt32(winner_entry_id), toUInt32(loser_entry_id), toInt32(winner_elo), toInt32(loser_elo)
FROM crucible_entry_rating
WHERE crucible_id = {crucible:UInt32}
    AND created_at BETWEEN toDateTime({since:UInt32}) AND toDateTime({until:UInt32})
    AND vote_epoch = {epoch:UInt32} AND vote_seq BETWEEN {first:UInt64} AND {last:UInt64}
ORDER BY vote_seq

-- votes_each --
-- How many of the votes that are there each entry was part of.
SELECT arrayJoin([winner_entry_id, loser_entry_id]) AS entry_id, count()
FROM crucible_entry_rating
WHERE crucible_id = {crucible:UInt32} AND vote_seq > 0
GROUP BY entry_id

-- votes_each_in_order --
-- The same, four bytes a number: of a million entries, in the order of their ids.
SELECT toUInt32(arrayJoin([winner_entry_id, loser_entry_id])) AS entry_id, toUInt32(count())
FROM crucible_entry_rating
WHERE crucible_id = {crucible:UInt32} AND vote_seq > 0
GROUP BY entry_id
ORDER BY entry_id

-- judged_pairs --
-- What each judge of a portion of them said of which pair, as commands in Redis' own protocol, some judges' in a text:
-- they go from here to there as they are, which takes a tenth of the time of handling each. A judge's pairs lie packed
-- in blocks of some 500 (HSET <prefix><user> packed <blocks> packed:0 ' lo:hi=outcome lo:hi=outcome ...' ...), which
-- Redis takes in a tenth of the time of a field for each; see watcher/redis/lua/unpack.lua. The number of blocks is odd, so
-- that pairs whose sums are all even fill all of them; a block without pairs is left out.
SELECT sum(pairs), arrayStringConcat(groupArray(command)), groupArray(user_id)
FROM
(
    SELECT
        user_id,
        count() AS pairs,
        2 * intDiv(pairs, 1000) + 1 AS blocks,
        arrayMap(
            (winner, loser, epoch, seq, winner_elo, loser_elo, second) -> concat(
                ' ', toString(least(winner, loser)), ':', toString(greatest(winner, loser)), '=', toString(winner), ':',
                toString(epoch), ':', toString(seq), ':', toString(winner_elo), ':', toString(loser_elo), ':',
                toString(second), '000'
            ),
            groupArray(winner_entry_id) AS winners, groupArray(loser_entry_id) AS losers, groupArray(vote_epoch),
            groupArray(vote_seq), groupArray(crucible_entry_rating.winner_elo),
            groupArray(crucible_entry_rating.loser_elo), groupArray(toUnixTimestamp(created_at))
        ) AS outcomes,
        arrayMap((winner, loser) -> (toUInt64(winner) + loser) % blocks, winners, losers) AS places,
        arraySort(places) AS sorted,
        arrayMap(
            texts -> arrayStringConcat(texts),
            arraySplit(
                (outcome, step) -> step > 0,
                arraySort((outcome, place) -> place, outcomes, places),
                arrayDifference(sorted)
            )
        ) AS texts,
        arrayMap(place -> concat('packed:', toString(place)), arrayCompact(sorted)) AS fields,
        concat({prefix:String}, toString(user_id)) AS name,
        concat(
            '*', toString(4 + 2 * length(texts)), '\r\n$4\r\nHSET\r\n$', toString(length(name)), '\r\n', name,
            '\r\n$6\r\npacked\r\n$', toString(length(toString(blocks))), '\r\n', toString(blocks), '\r\n',
            arrayStringConcat(arrayMap(
                (field, text) -> concat(
                    '$', toString(length(field)), '\r\n', field, '\r\n$', toString(length(text)), '\r\n', text, '\r\n'
                ),
                fields, texts
            ))
        ) AS command
    FROM crucible_entry_rating
    WHERE crucible_id = {crucible:UInt32} AND vote_seq > 0 AND user_id % {portions:UInt32} = {portion:UInt32}
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
