-- How often each entry won and lost.

-- view entry_record_v1 of crucible_entry_rating by ingested_at --
-- target --
CREATE TABLE IF NOT EXISTS entry_record_v1 @on_cluster
(
    crucible_id UInt32,
    entry_id    UInt32,
    wins        SimpleAggregateFunction(sum, UInt64),
    losses      SimpleAggregateFunction(sum, UInt64),
    bucket      UInt16
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY bucket
ORDER BY (crucible_id, entry_id)
SETTINGS @window;
-- select --
SELECT
    crucible_id,
    tupleElement(side, 1)       AS entry_id,
    sum(tupleElement(side, 2))  AS wins,
    sum(tupleElement(side, 3))  AS losses,
    @bucket                     AS bucket
FROM crucible_entry_rating
ARRAY JOIN [(winner_entry_id, 1, 0), (loser_entry_id, 0, 1)] AS side
WHERE @rows
GROUP BY crucible_id, entry_id
-- key --
crucible_id
-- fingerprint --
crucible_id, entry_id, wins, losses
-- reader --
CREATE OR REPLACE VIEW entry_record @on_cluster AS
SELECT crucible_id, entry_id, sum(wins) AS wins, sum(losses) AS losses
FROM entry_record_v1
GROUP BY crucible_id, entry_id;
