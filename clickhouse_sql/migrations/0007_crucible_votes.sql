-- Each crucible: its entries, its votes, how many people judged, when they began and ended.

-- view crucible_votes_v1 of crucible_entry_rating by ingested_at --
-- target --
CREATE TABLE IF NOT EXISTS crucible_votes_v1 @on_cluster
(
    crucible_id UInt32,
    votes       SimpleAggregateFunction(sum, UInt64),
    judges      AggregateFunction(uniqExact, UInt32),
    first_vote  SimpleAggregateFunction(min, DateTime),
    last_vote   SimpleAggregateFunction(max, DateTime),
    bucket      UInt16
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY bucket
ORDER BY crucible_id
SETTINGS @window;
-- select --
SELECT
    crucible_id,
    count()                  AS votes,
    uniqExactState(user_id)  AS judges,
    min(created_at)          AS first_vote,
    max(created_at)          AS last_vote,
    @bucket                  AS bucket
FROM crucible_entry_rating
WHERE @rows
GROUP BY crucible_id
-- key --
crucible_id
-- fingerprint --
crucible_id, votes, finalizeAggregation(judges), first_vote, last_vote
-- reader --
-- The entries come from the metric events: +1 for one that joined, -1 for one that left.
CREATE OR REPLACE VIEW crucible_stats @on_cluster AS
SELECT
    crucible_id,
    sum(entries)     AS entries,
    sum(votes)       AS votes,
    sum(judges)      AS judges,
    min(first_vote)  AS first_vote,
    max(last_vote)   AS last_vote
FROM
(
    SELECT
        crucible_id,
        toInt64(0)                     AS entries,
        sum(votes)                     AS votes,
        uniqExactMerge(judges)         AS judges,
        toNullable(min(first_vote))    AS first_vote,
        toNullable(max(last_vote))     AS last_vote
    FROM crucible_votes_v1
    GROUP BY crucible_id
    UNION ALL
    SELECT toUInt32(entity_id), sum(total), toUInt64(0), toUInt64(0), NULL, NULL
    FROM metric_totals_v1
    WHERE entity_type = 'Crucible' AND metric_type = 'Entry'
    GROUP BY entity_id
)
GROUP BY crucible_id;
