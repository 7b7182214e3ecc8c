-- Takes away what votes have made of a crucible, to be written anew.
-- uses: companions judged voted lock
--
-- KEYS  1 {crucible:{id}:elo}:keeper  string, token of the verifier at work
--       2 {crucible:{id}:elo}:state   hash; says from now on that a rebuild is under way, until it is opened
--       3 crucible:{id}:elo; its companions in the same slot are reached by its tag
-- ARGV  1 token   2 milliseconds that the verifier has until its next step   3.. judges whose outcomes go; without any,
--       everything else goes, also the list of judges: so that is the last call
-- Answer: 1, or 0 if somebody else is at work
-- Guaranteed: rows and their marks stay. One that is begun and not finished is known as such: votes stay refused, and
--         whoever closes the crucible next is told. Doing it twice changes nothing.

if not locked(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
redis.call('HSET', KEYS[2], 'rebuilding', ARGV[1])
for at = 3, #ARGV do redis.call('UNLINK', judged(KEYS[3], ARGV[at])) end
if #ARGV == 2 then redis.call('UNLINK', companion(KEYS[3], JUDGES), unpack(voted(KEYS[3]))) end
return 1
