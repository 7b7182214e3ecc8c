-- What decides about what some judges may be told of a crucible: which pairs are open to them, and whether they have voted.
--
-- KEYS  1 {crucible:{id}:elo}:judges       set of the users who voted
--       2.. {crucible:{id}:elo}:open:{user}  hash; of it open, see vote.lua; one for each judge
-- ARGV  the judges, in the order of KEYS
-- Answer: for each judge the text of the open pairs ('' if there is none) and 1 if they have voted, else 0
-- Guaranteed: nothing is written, and what is said of all of them was so at one moment.

local answer = {}
for at = 1, #ARGV do
  answer[2 * at - 1] = redis.call('HGET', KEYS[at + 1], 'open') or ''
  answer[2 * at] = redis.call('SISMEMBER', KEYS[1], ARGV[at])
end
return answer
