-- Takes what a judge said of some pairs out of what a rebuild has packed it into: one block a call, half a millisecond.
--
-- KEYS  1 {crucible:{id}:elo}:judged:{user}  hash lo:hi -> outcome, and
--         packed        number of blocks, if a rebuild has written any
--         packed:<n>    ' lo:hi=outcome' of every pair with (lo + hi) % blocks = n, from 0
-- Answer: 1 if there may be more blocks, else 0: then each pair has its field
-- Guaranteed: at every moment each pair is judged, in its field or in its block. Doing it twice changes nothing.
--
-- The number stays until the last block is gone, for the vote's script finds a pair's block by it.

local FIELDS = 1000 -- and as many values: what Lua hands over at once
local blocks = tonumber(redis.call('HGET', KEYS[1], 'packed') or 0)
for n = 0, blocks - 1 do
  local name = 'packed:' .. n
  local block = redis.call('HGET', KEYS[1], name)
  if block then
    local some = {}
    for pair, outcome in string.gmatch(block, ' (%d+:%d+)=(%S+)') do
      some[#some + 1], some[#some + 2] = pair, outcome
      if #some == 2 * FIELDS then
        redis.call('HSET', KEYS[1], unpack(some))
        some = {}
      end
    end
    if #some > 0 then redis.call('HSET', KEYS[1], unpack(some)) end
    redis.call('HDEL', KEYS[1], name)
    if n < blocks - 1 then return 1 end
  end
end
if blocks > 0 then redis.call('HDEL', KEYS[1], 'packed') end
return 0
