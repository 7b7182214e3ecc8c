-- What each judge did in each crucible.

-- view judge_activity_v1 of crucible_entry_rating by ingested_at --
-- target --
CREATE TABLE IF NOT EXISTS judge_activity_v1 @on_cluster
(
    user_id     UInt32,
    crucible_id UInt32,
    votes       SimpleAggregateFunction(sum, UInt64),
    first_vote  SimpleAggregateFunction(min, DateTime),
    last_vote   SimpleAggregateFunction(max, DateTime),
    bucket      UInt16
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY bucket
ORDER BY (user_id, crucible_id)
SETTINGS @window;
-- select --
SELECT
    user_id,
    crucible_id,
    count()          AS votes,
    min(created_at)  AS first_vote,
    max(created_at)  AS last_vote,
    @bucket          AS bucket
FROM crucible_entry_rating
WHERE @rows
GROUP BY user_id, crucible_id
-- key --
user_id
-- fingerprint --
user_id, crucible_id, votes, first_vote, last_vote
-- reader --
CREATE OR REPLACE VIEW judge_activity @on_cluster AS
SELECT
    user_id,
    crucible_id,
    sum(votes)       AS votes,
    min(first_vote)  AS first_vote,
    max(last_vote)   AS last_vote
FROM judge_activity_v1
GROUP BY user_id, crucible_id;
