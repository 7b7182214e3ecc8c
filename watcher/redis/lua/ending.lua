-- Has some keys of a crucible that has ended expire with it.
-- uses: lifetime
--
-- KEYS  1 {crucible:{id}:elo}:state   hash   2.. keys in the same slot
-- Answer: 1 if it has ended, else 0
-- Guaranteed: the keys of one that goes on, because its end was undone meanwhile, are left alone: who undoes it sees to
--         all keys. Doing it twice changes nothing.

local left = seconds_left(KEYS[1])
if left < 0 then return 0 end
for at = 2, #KEYS do redis.call('EXPIRE', KEYS[at], left) end
return 1
