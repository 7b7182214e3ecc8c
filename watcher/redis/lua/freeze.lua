-- Freezes a crucible: from now on no vote counts in it, whoever casts it.
-- uses: logged
--
-- KEYS  1 {crucible:{id}:elo}:state  hash; of it epoch, seq, fence, rebuilding, frozen. The other companions, for a vote
--         that has to be finished first, are reached by its tag
-- ARGV  1 fence: the identity of the Redis process that the caller is connected to
-- Answer: { epoch, seq } of the last vote before the freeze; nothing if Redis does not hold the crucible, or nobody has
--         compared it with the other stores: its last vote may be another one then, and votes are refused anyway
-- Guaranteed: a vote that was numbered before has counted whole, and none is numbered after: both are scripts, and Redis
--         runs one at a time. A crucible that is frozen stays as it is, whoever asks again, and the answer is the same.

local state = redis.call('HMGET', KEYS[1], 'fence', 'rebuilding', 'frozen', 'epoch', 'seq')
if state[1] ~= ARGV[1] or state[2] then return {} end
local frozen = state[3]
if not frozen then
  if finish_logged(string.match(KEYS[1], '^{(.+)}:')) then state[5] = redis.call('HGET', KEYS[1], 'seq') end
  frozen = string.format('%s:%s', state[4], state[5])
  redis.call('HSET', KEYS[1], 'frozen', frozen)
end
local epoch, seq = string.match(frozen, '^(%d+):(%d+)$')
return { tonumber(epoch), tonumber(seq) }
