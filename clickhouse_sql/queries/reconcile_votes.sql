-- vote_numbers_off --
-- Crucibles in one of whose epochs the numbers of votes are not an unbroken row with each number once: by how many there
-- are, what they add up to and what their squares do. An epoch whose first numbers are gone is among them; whether age
-- explains that is seen by who looks closer. Of crucibles from one id to below another.
SELECT DISTINCT crucible_id
FROM (
    SELECT
        crucible_id,
        toInt256(min(vote_seq)) AS first,
        toInt256(max(vote_seq)) AS last,
        toInt256(count()) AS votes,
        sum(toInt256(vote_seq)) AS added,
        sum(toInt256(vote_seq) * vote_seq) AS squares
    FROM crucible_entry_rating
    WHERE vote_seq > 0 AND crucible_id >= {low:Int64} AND crucible_id < {high:Int64}
    GROUP BY crucible_id, vote_epoch
    HAVING first > 1 OR votes != last - first + 1 OR added * 2 != (first + last) * votes
        OR squares * 6 != last * (last + 1) * (2 * last + 1) - (first - 1) * first * (2 * first - 1)
)
ORDER BY crucible_id
SETTINGS max_bytes_before_external_group_by = 1000000000

-- vote_events_off --
-- Crucibles whose votes and metric events of votes do not belong together one by one, by a sum over who, which number
-- and when; of the time in which neither has expired. What was mended adds to the same sum.
SELECT crucible
FROM (
    SELECT
        crucible_id AS crucible,
        sum(toInt128(cityHash64(user_id, vote_seq, toUnixTimestamp(created_at)))) AS balance
    FROM crucible_entry_rating
    WHERE vote_seq > 0 AND created_at >= toDateTime({since:UInt32})
        AND crucible_id >= {low:Int64} AND crucible_id < {high:Int64}
    GROUP BY crucible
    UNION ALL
    SELECT
        toUInt32(entityId) AS crucible,
        -sum(metricValue * toInt128(cityHash64(
            toUInt32(userId), sourceLsn, toUInt32(intDiv(toUnixTimestamp64Milli(createdAt), 1000))
        ))) AS balance
    FROM entityMetricEvents
    WHERE entityType = 'Crucible' AND metricType = 'Vote' AND source = 'vote'
        AND createdAt >= fromUnixTimestamp64Milli(toInt64({since:UInt32}) * 1000)
        AND entityId >= {low:Int64} AND entityId < {high:Int64}
    GROUP BY crucible
)
GROUP BY crucible
HAVING sum(balance) != 0
ORDER BY crucible

-- votes_of_crucibles --
-- How many votes the next crucibles have, by id, as the view has it: to divide them into parts.
SELECT crucible_id, sum(votes) AS votes
FROM crucible_votes_v1
WHERE crucible_id >= {first:Int64}
GROUP BY crucible_id
ORDER BY crucible_id
LIMIT {most:UInt32}

-- distinct_vote_spans --
-- Which numbers are there, by epoch and in portions, each counted once however often it is there.
SELECT vote_epoch, min(vote_seq), max(vote_seq), uniqExact(vote_seq),
    toUnixTimestamp(min(created_at)), toUnixTimestamp(max(created_at))
FROM crucible_entry_rating
WHERE crucible_id = {crucible:UInt32} AND vote_seq > 0
GROUP BY vote_epoch, intDiv(vote_seq - 1, {most:UInt64})
ORDER BY vote_epoch, min(vote_seq)

-- votes_twice --
-- Numbers of a crucible that are there several times: how often, by how many different votes, and one of them.
SELECT
    vote_epoch, vote_seq, count() AS copies,
    uniqExact(winner_entry_id, loser_entry_id, user_id, created_at, winner_elo, loser_elo) AS different,
    any(winner_entry_id), any(loser_entry_id), any(user_id), toUnixTimestamp(any(created_at)),
    any(crucible_entry_rating.winner_elo), any(crucible_entry_rating.loser_elo)
FROM crucible_entry_rating
WHERE crucible_id = {crucible:UInt32} AND vote_seq > 0
GROUP BY vote_epoch, vote_seq
HAVING copies > 1
ORDER BY different > 1, vote_epoch, vote_seq
LIMIT {most:UInt32}
SETTINGS max_bytes_before_external_group_by = 1000000000

-- votes_against_events --
-- Votes of a crucible whose metric events are none, or too many, and events of no vote: who, which number and when is the
-- same vote, for an event has no epoch. Votes from the given place on are on their way and left out.
SELECT
    judge, seq, second,
    sum(cast) AS votes,
    sum(net) AS events,
    max(ms) AS at,
    sum(mended) AS repairs,
    max(last_epoch) AS epoch
FROM (
    SELECT
        user_id AS judge, vote_seq AS seq, toInt64(toUnixTimestamp(created_at)) AS second,
        toInt64(uniqExact(vote_epoch)) AS cast, toInt64(0) AS net, toInt64(0) AS ms, toUInt64(0) AS mended,
        max(vote_epoch) AS last_epoch
    FROM crucible_entry_rating
    WHERE crucible_id = {crucible:UInt32} AND vote_seq > 0 AND created_at >= toDateTime({since:UInt32})
    GROUP BY judge, seq, second
    UNION ALL
    SELECT
        toUInt32(userId) AS judge, sourceLsn AS seq, intDiv(toUnixTimestamp64Milli(createdAt), 1000) AS second,
        toInt64(0) AS cast, sum(metricValue) AS net, max(toUnixTimestamp64Milli(createdAt)) AS ms,
        countIf(sourceIndex >= 128) AS mended, toUInt32(0) AS last_epoch
    FROM entityMetricEvents
    WHERE entityType = 'Crucible' AND entityId = {crucible:Int32} AND metricType = 'Vote' AND source = 'vote'
        AND createdAt >= fromUnixTimestamp64Milli(toInt64({since:UInt32}) * 1000)
    GROUP BY judge, seq, second
)
GROUP BY judge, seq, second
HAVING votes != events AND (epoch = 0 OR (epoch, seq) < ({epoch:UInt32}, {seq:UInt64}))
ORDER BY second, seq, judge
LIMIT {most:UInt32}
SETTINGS max_bytes_before_external_group_by = 1000000000

-- vote_rows_counted --
-- Numbered votes of some crucibles by the table's own rows; of those whose first vote may have expired by the view, which
-- keeps count of what is gone.
SELECT crucible_id, max(votes)
FROM (
    SELECT crucible_id, count() AS votes
    FROM crucible_entry_rating
    WHERE crucible_id IN {crucibles:Array(UInt32)} AND vote_seq > 0
    GROUP BY crucible_id
    UNION ALL
    SELECT crucible_id, intDiv(sum(votes), 2) AS votes
    FROM entry_rating_v1
    WHERE crucible_id IN (
        SELECT crucible_id
        FROM crucible_votes_v1
        WHERE crucible_id IN {crucibles:Array(UInt32)}
        GROUP BY crucible_id
        HAVING min(first_vote) < toDateTime({since:UInt32})
    )
    GROUP BY crucible_id
)
GROUP BY crucible_id

-- vote_numbers_there --
-- Which of some votes of an epoch of a crucible are there, of a stretch of time.
SELECT vote_seq
FROM crucible_entry_rating
WHERE crucible_id = {crucible:UInt32} AND vote_epoch = {epoch:UInt32} AND vote_seq IN {numbers:Array(UInt64)}
    AND created_at BETWEEN toDateTime({since:UInt32}) AND toDateTime({until:UInt32})

-- vote_copies_before --
-- Whether any copy of some votes of a crucible is older than a stamp.
SELECT count()
FROM crucible_entry_rating
WHERE crucible_id = {crucible:UInt32} AND vote_epoch = {epoch:UInt32} AND vote_seq IN {numbers:Array(UInt64)}
    AND ingested_at < fromUnixTimestamp64Milli({stamp:Int64})

-- clickhouse_now --
-- The server's clock, which stamps rows as they come in, in milliseconds since 1970.
SELECT toUnixTimestamp64Milli(now64(3))

-- vote_copies_of_stamp --
-- Which votes were brought in with a stamp that only a repair gives.
SELECT vote_epoch, vote_seq
FROM crucible_entry_rating
WHERE crucible_id = {crucible:UInt32} AND vote_seq > 0 AND ingested_at = fromUnixTimestamp64Milli({stamp:Int64})

-- delete_vote_copies --
-- All copies of some votes of a crucible that were there before one more was brought in.
ALTER TABLE crucible_entry_rating DELETE
WHERE crucible_id = {crucible:UInt32} AND vote_epoch = {epoch:UInt32} AND vote_seq IN {numbers:Array(UInt64)}
    AND ingested_at < fromUnixTimestamp64Milli({stamp:Int64})
