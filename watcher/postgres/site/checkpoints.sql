-- lock_before_its_end --
-- A row while the crucible's end was not acted upon, and then it is not before the end of the transaction: who acts on it
-- changes this row first.
SELECT 1 FROM {schema}.settlement WHERE crucible_id = %s AND state = 'due' FOR SHARE

-- write_scores --
-- Scores and numbers of votes of entries, where they are others than before; answers how many were.
WITH written AS (
    UPDATE public."CrucibleEntry" entry
       SET score = known.score, "voteCount" = known.votes
      FROM unnest(%(entries)s::int[], %(scores)s::int[], %(votes)s::int[]) AS known (entry, score, votes),
           public."Crucible" crucible
     WHERE entry.id = known.entry AND entry."crucibleId" = %(crucible)s
       AND crucible.id = entry."crucibleId" AND crucible.status = 'Active'
       AND (entry.score, entry."voteCount") IS DISTINCT FROM (known.score, known.votes)
    RETURNING 1
)
SELECT count(*)::int FROM written
