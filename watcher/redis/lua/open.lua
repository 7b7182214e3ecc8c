-- Writes down which pairs are open to a judge, if nobody has written it otherwise meanwhile.
--
-- KEYS  1 {crucible:{id}:elo}:state        hash; the crucible is present if and only if it is there
--       2 {crucible:{id}:elo}:open:{user}  hash; open -> the open pairs, see vote.lua; lo:hi of each skipped one;
--                                          met:<entry> of each leader that was met
-- ARGV  1 what the caller has read of them ('' if nothing)   2 what is to be   3.. fields to add: lo:hi, met:<entry>
-- Answer: 1; 0 if something else is there, or the crucible is not: whoever calls has to look again
-- Guaranteed: of two processes that open pairs to one judge, one does, and the other sees them. It expires in any case.

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if (redis.call('HGET', KEYS[2], 'open') or '') ~= ARGV[1] then return 0 end
local fields = { 'open', ARGV[2] }
for at = 3, #ARGV do
  fields[#fields + 1] = ARGV[at]
  fields[#fields + 1] = ''
end
redis.call('HSET', KEYS[2], unpack(fields))
redis.call('EXPIRE', KEYS[2], @OPEN_SECONDS@)
return 1
