-- The votes: the site's table, and behind its columns the vote's place in its crucible and the ratings after it.

-- statements --
CREATE TABLE IF NOT EXISTS crucible_entry_rating @on_cluster
(
    crucible_id     UInt32,
    winner_entry_id UInt32,
    loser_entry_id  UInt32,
    user_id         UInt32,
    created_at      DateTime DEFAULT now()
)
ENGINE = @engine(MergeTree)
PARTITION BY toYYYYMM(created_at)
ORDER BY (crucible_id, created_at)
TTL created_at + INTERVAL 90 DAY;

-- vote_seq 0 is a vote that was not numbered: it counts in analytics, never in ratings.
ALTER TABLE crucible_entry_rating @on_cluster
    ADD COLUMN IF NOT EXISTS vote_epoch UInt32 DEFAULT 0,
    ADD COLUMN IF NOT EXISTS vote_seq   UInt64 DEFAULT 0,
    ADD COLUMN IF NOT EXISTS winner_elo Int32  DEFAULT 0,
    ADD COLUMN IF NOT EXISTS loser_elo  Int32  DEFAULT 0;

ALTER TABLE crucible_entry_rating @on_cluster MODIFY SETTING @window;

-- stamp crucible_entry_rating ingested_at --
