-- Takes away what votes have made of a crucible, to be written anew. Rows and their marks stay.
--
-- KEYS  1 {crucible:{id}:elo}:verifier  string, token of the verifier at work
--       2 {crucible:{id}:elo}:state   hash; says from now on that a rebuild is under way, until it is opened
--       3 crucible:{id}:elo; its companions in the same slot are reached by its tag
-- ARGV  1 token   2 milliseconds that the verifier has until its next step   3.. judges whose outcomes go
-- Answer: 1, or 0 if somebody else is at work

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[2], 'rebuilding', ARGV[1])
local tag = '{' .. KEYS[3] .. '}:'
for at = 3, #ARGV do redis.call('UNLINK', tag .. 'judged:' .. ARGV[at]) end
if #ARGV == 2 then
  redis.call('UNLINK', KEYS[3], tag .. 'votes', tag .. 'standings', tag .. 'admitted', tag .. 'judges', tag .. 'log')
  redis.call('UNLINK', tag .. 'left')
  for level = 1, 31 do redis.call('UNLINK', tag .. 'pool:' .. level) end
end
return 1
