-- Prizes that were promised, or are due, and are not both.
SELECT coalesce(won.crucible_id, prize.crucible_id), coalesce(won.position, prize.position),
       prize.entry_id, prize.amount, won.entry_id, won.amount
  FROM won
  FULL JOIN SCHEMA.settlement_prize prize
         ON (prize.crucible_id, prize.position) = (won.crucible_id, won.position)
 WHERE (won.entry_id, won.user_id, won.amount) IS DISTINCT FROM (prize.entry_id, prize.user_id, prize.amount)
 ORDER BY 1, 2
