-- rating_history --
-- An entry's rating after each of its numbered votes, thinned out to so many points; the last is always kept.
SELECT
    toUnixTimestamp(max(created_at))               AS at,
    argMax(rating, n)                              AS rating,
    max(n)                                         AS votes
FROM
(
    SELECT
        created_at,
        if(winner_entry_id = {entry:UInt32}, winner_elo, loser_elo)  AS rating,
        row_number() OVER (ORDER BY vote_epoch, vote_seq)            AS n,
        count() OVER ()                                              AS total
    FROM crucible_entry_rating
    WHERE crucible_id = {crucible:UInt32}
        AND (winner_entry_id = {entry:UInt32} OR loser_entry_id = {entry:UInt32})
        AND vote_seq > 0
)
GROUP BY intDiv((n - 1) * {points:UInt32}, greatest(total, {points:UInt32}))
ORDER BY votes

-- judge --
-- What one judge did, by crucible, the latest first.
SELECT crucible_id, votes, toUnixTimestamp(first_vote), toUnixTimestamp(last_vote)
FROM judge_activity
WHERE user_id = {user:UInt32}
ORDER BY last_vote DESC, crucible_id DESC

-- judges_by_votes --
-- How many judges have how many votes: what a judge's place among all is told from.
SELECT votes, count()
FROM (SELECT user_id, sum(votes) AS votes FROM judge_activity GROUP BY user_id)
GROUP BY votes
ORDER BY votes

-- own_votes --
-- How many votes one judge has cast in a crucible, and in how many of them the chosen entry stands above the other by now.
WITH
    own AS
    (
        SELECT winner_entry_id, loser_entry_id
        FROM crucible_entry_rating
        WHERE crucible_id = {crucible:UInt32} AND user_id = {user:UInt32} AND vote_seq > 0
    ),
    rated AS
    (
        SELECT entry_id, argMaxMerge(rating) AS rating
        FROM entry_rating_v1
        WHERE crucible_id = {crucible:UInt32}
            AND entry_id IN (SELECT arrayJoin([winner_entry_id, loser_entry_id]) FROM own)
        GROUP BY entry_id
    )
SELECT count(), countIf(chosen.rating > other.rating)
FROM own
INNER JOIN rated AS chosen ON chosen.entry_id = own.winner_entry_id
INNER JOIN rated AS other ON other.entry_id = own.loser_entry_id
