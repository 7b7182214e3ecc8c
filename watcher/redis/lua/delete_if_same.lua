-- Deletes a string that holds what the caller believes.
--
-- KEYS  1 string
-- ARGV  1 what it should hold
-- Answer: 1 if it was deleted, else 0
-- Guaranteed: what somebody else has written there meanwhile stays.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
