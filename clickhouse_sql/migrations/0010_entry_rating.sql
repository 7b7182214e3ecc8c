-- The rating that each entry's last numbered vote left it with, and how many there were. Has no TTL: votes go after 90
-- days, ratings stay.

-- view entry_rating_v1 of crucible_entry_rating by ingested_at --
-- target --
CREATE TABLE IF NOT EXISTS entry_rating_v1 @on_cluster
(
    crucible_id UInt32,
    entry_id    UInt32,
    rating      AggregateFunction(argMax, Int32, Tuple(UInt32, UInt64)),
    last_vote   SimpleAggregateFunction(max, Tuple(UInt32, UInt64)),
    votes       SimpleAggregateFunction(sum, UInt64),
    bucket      UInt16
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY bucket
ORDER BY (crucible_id, entry_id)
SETTINGS @window;
-- select --
SELECT
    crucible_id,
    tupleElement(side, 1)                                     AS entry_id,
    argMaxState(tupleElement(side, 2), (vote_epoch, vote_seq)) AS rating,
    max((vote_epoch, vote_seq))                               AS last_vote,
    count()                                                   AS votes,
    @bucket                                                   AS bucket
FROM crucible_entry_rating
ARRAY JOIN [(winner_entry_id, winner_elo), (loser_entry_id, loser_elo)] AS side
WHERE vote_seq > 0 AND @rows
GROUP BY crucible_id, entry_id
-- key --
crucible_id
-- fingerprint --
crucible_id, entry_id, finalizeAggregation(rating), last_vote, votes
-- reader --
CREATE OR REPLACE VIEW entry_rating @on_cluster AS
SELECT
    crucible_id,
    entry_id,
    argMaxMerge(rating)              AS rating,
    tupleElement(max(last_vote), 1)  AS vote_epoch,
    tupleElement(max(last_vote), 2)  AS vote_seq,
    sum(votes)                       AS votes
FROM entry_rating_v1
GROUP BY crucible_id, entry_id;
