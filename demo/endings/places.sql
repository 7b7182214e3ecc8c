-- Entries whose place, score or number of votes is another than the votes say.
SELECT crucible_id, entry_id, score, vote_count, position, rating, votes, due
  FROM ranked
 WHERE (score, vote_count, position) IS DISTINCT FROM (rating, votes, due)
 ORDER BY 1, 2
