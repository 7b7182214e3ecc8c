-- ending --
-- How far the end of a crucible is, and what it came to.
SELECT
    coalesce(settlement.parked_from, settlement.state) AS state,
    (extract(epoch FROM settlement.frozen_at) * 1000)::bigint AS frozen_ms,
    (extract(epoch FROM settlement.settled_at) * 1000)::bigint AS settled_ms,
    settlement.digest, settlement.votes, settlement.pool, settlement.paid, settlement.remainder, settlement.refunded
FROM {schema}.settlement
WHERE settlement.crucible_id = %(crucible)s

-- podium --
-- The first three places and all that have a prize, also of entries that are gone since; none before places are written.
SELECT
    coalesce(prize.position, entry.position) AS position,
    coalesce(prize.entry_id, entry.id)       AS entry,
    entry.score                              AS rating,
    entry."voteCount"                        AS votes,
    prize.amount                             AS prize
FROM (
    SELECT position, entry_id, amount FROM {schema}.settlement_prize WHERE crucible_id = %(crucible)s
) prize
FULL JOIN (
    SELECT id, position, score, "voteCount"
    FROM public."CrucibleEntry"
    WHERE "crucibleId" = %(crucible)s AND position IS NOT NULL
        AND (position <= 3
             OR id IN (SELECT entry_id FROM {schema}.settlement_prize WHERE crucible_id = %(crucible)s))
) entry ON entry.id = prize.entry_id
ORDER BY 1
LIMIT %(most)s
