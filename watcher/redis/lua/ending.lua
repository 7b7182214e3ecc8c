-- Has some keys of a crucible that has ended expire with it. One that goes on, because its end was undone meanwhile, is
-- left alone: who undoes it sees to all keys.
--
-- KEYS  1 {crucible:{id}:elo}:state   2.. keys in the same slot
-- Answer: 1 if it has ended, else 0

local left = redis.call('TTL', KEYS[1])
if left == 0 then left = 1 end -- less than half a second
if left < 0 then return 0 end
for at = 2, #KEYS do redis.call('EXPIRE', KEYS[at], left) end
return 1
