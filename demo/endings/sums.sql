-- What each ending says of itself, and what is so.
SELECT settled.crucible_id,
       ARRAY[settled.entries, settled.placed, settled.pool, settled.paid, settled.remainder],
       ARRAY[count(ranked.entry_id), count(ranked.due), pools.pool, prizes.paid, pools.pool - prizes.paid]
  FROM settled
  JOIN pools USING (crucible_id)
  LEFT JOIN ranked USING (crucible_id)
 CROSS JOIN LATERAL (
     SELECT coalesce(sum(amount), 0)::bigint AS paid FROM won WHERE won.crucible_id = settled.crucible_id
 ) prizes
 GROUP BY settled.crucible_id, settled.entries, settled.placed, settled.pool, settled.paid, settled.remainder,
          pools.pool, prizes.paid
 ORDER BY 1
