-- Opens a crucible to votes again: what Redis shows of it is what the other stores say, and the fence says which Redis
-- process that was seen in. Votes get numbers of a new epoch, which nobody has given out before.
--
-- KEYS  1 {crucible:{id}:elo}:verifier  string, token of the verifier at work
--       2 {crucible:{id}:elo}:state   hash
--       3 crucible:{id}:elo; its companions in the same slot are reached by its tag
-- ARGV  1 token   2 epoch   3 fence   4 mark that the verifier has read ('' if none)   5 mark to be
--       6 votes of all epochs before, which the state shows as before
--       7 seconds that the crucible has to live, 0: for ever   8.. fields of the crucible's row and their values
-- Answer: 1; 2 if it has ended and its judges' keys do not expire yet, which is the caller's to see to, as in
--         row_state.lua; 0 if somebody else is at work
--
-- If the row's mark has changed meanwhile, the row is newer than what the verifier knows, and stays.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if (redis.call('HGET', KEYS[2], 'mark') or '') == ARGV[4] then
  redis.call('HSET', KEYS[2], 'mark', ARGV[5], unpack(ARGV, 8))
  -- Its end came while nobody told this process: it begins to expire now, and not anew if it has begun.
  if ARGV[7] ~= '0' and redis.call('TTL', KEYS[2]) == -1 then redis.call('EXPIRE', KEYS[2], ARGV[7]) end
end
redis.call('HSET', KEYS[2], 'epoch', ARGV[2], 'seq', 0, 'fence', ARGV[3], 'before', ARGV[6])
local rebuilt = redis.call('HDEL', KEYS[2], 'rebuilding') == 1

-- It has ended, maybe while it was rebuilt: all that was written ends with it.
local tag = '{' .. KEYS[3] .. '}:'
local left = redis.call('TTL', KEYS[2])
if left > 0 then
  for _, name in ipairs({ 'entries', 'votes', 'left', 'standings', 'admitted', 'log' }) do
    redis.call('EXPIRE', tag .. name, left)
  end
  redis.call('EXPIRE', KEYS[3], left)
  for level = 1, 31 do redis.call('EXPIRE', tag .. 'pool:' .. level, left) end
  if rebuilt then redis.call('PERSIST', tag .. 'judges') end -- their keys are new, whoever has seen to the old ones
end
redis.call('DEL', KEYS[1])
return left > 0 and redis.call('TTL', tag .. 'judges') == -1 and 2 or 1
