-- Freezes a crucible: from now on no vote counts in it, whoever casts it.
--
-- KEYS  1 {crucible:{id}:elo}:state  hash; of it epoch, seq, frozen
-- ARGV  1 '' or the place to be told, as the state's field frozen has it; '' for that of the last vote
-- Answer: { epoch, seq } of the last vote before the freeze; nothing if Redis does not hold the crucible
-- Guaranteed: a vote that was numbered before has counted whole, and none is numbered after: both are scripts, and Redis
--         runs one at a time. A crucible that is frozen stays as it is, whoever asks again. One that is being compared or
--         rebuilt can be frozen too, and is when it is opened.

if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
local state = redis.call('HMGET', KEYS[1], 'frozen', 'epoch', 'seq')
local frozen = state[1]
if not frozen then
  frozen = ARGV[1] ~= '' and ARGV[1] or string.format('%s:%s', state[2] or 0, state[3] or 0)
  redis.call('HSET', KEYS[1], 'frozen', frozen)
end
local epoch, seq = string.match(frozen, '^(%d+):(%d+)$')
return { tonumber(epoch), tonumber(seq) }
