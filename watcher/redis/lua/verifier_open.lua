-- Opens a crucible to votes again: what Redis shows of it is what the other stores say, and the fence says which Redis
-- process that was seen in.
-- uses: companions voted lifetime lock
--
-- KEYS  1 {crucible:{id}:elo}:keeper  string, token of the verifier at work; deleted
--       2 {crucible:{id}:elo}:state   hash
--       3 crucible:{id}:elo; its companions in the same slot are reached by its tag
-- ARGV  1 token   2 milliseconds that the verifier has until its next step   3 epoch   4 fence
--       5 mark that the verifier has read ('' if none)   6 mark to be
--       7 votes of all epochs before, which the state shows as before, and as many as counted
--       8 seconds that the crucible has to live, 0: for ever
--       9 place of the last vote before its freeze, as the state's field frozen has it; '' if nobody froze it; with =
--         before it, in place of the one that is there
--       10.. fields of the crucible's row and their values
-- Answer: 1; 2 if it has ended and its judges' keys do not expire yet, which is the caller's to see to, as in
--         row_state.lua; 0 if somebody else is at work
-- Guaranteed: votes get numbers of the new epoch, from 1. If the row's mark has changed meanwhile, the row is newer than
--         what the verifier knows, and stays. One that was doubted since it was closed stays closed to votes, to be
--         compared anew. All that was written of a crucible that has ended ends with it. One that
--         was frozen stays frozen.

if not locked(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
if (redis.call('HGET', KEYS[2], 'mark') or '') == ARGV[5] then
  redis.call('HSET', KEYS[2], 'mark', ARGV[6], unpack(ARGV, 10))
  -- Its end came while nobody told this process: it begins to expire now, and not anew if it has begun.
  if ARGV[8] ~= '0' and redis.call('TTL', KEYS[2]) == -1 then redis.call('EXPIRE', KEYS[2], ARGV[8]) end
end
redis.call('HSET', KEYS[2], 'epoch', ARGV[3], 'seq', 0, 'before', ARGV[7])
-- By what is lacking, so that a Redis that comes back with more than this one knows shows that; see verifier_close.lua.
local lacking = ARGV[7] - (redis.call('HGET', KEYS[2], 'counted') or 0)
if lacking ~= 0 then redis.call('HINCRBY', KEYS[2], 'counted', string.format('%d', lacking)) end
redis.call('HSETNX', KEYS[2], 'counted', 0)
if redis.call('HDEL', KEYS[2], 'doubted') == 0 then redis.call('HSET', KEYS[2], 'fence', ARGV[4]) end
if string.sub(ARGV[9], 1, 1) == '=' then
  redis.call('HSET', KEYS[2], 'frozen', string.sub(ARGV[9], 2))
elseif ARGV[9] ~= '' then
  redis.call('HSETNX', KEYS[2], 'frozen', ARGV[9])
end
local rebuilt = redis.call('HDEL', KEYS[2], 'rebuilding') == 1

local judges = companion(KEYS[3], JUDGES)
local left = seconds_left(KEYS[2])
if left > 0 then -- it has ended, maybe while it was rebuilt
  redis.call('EXPIRE', companion(KEYS[3], ENTRIES), left)
  redis.call('EXPIRE', companion(KEYS[3], VERDICTS), left)
  for _, key in ipairs(voted(KEYS[3])) do redis.call('EXPIRE', key, left) end
  if rebuilt then redis.call('PERSIST', judges) end -- their keys are new, whoever has seen to the old ones
end
redis.call('DEL', KEYS[1])
return left > 0 and redis.call('TTL', judges) == -1 and 2 or 1
