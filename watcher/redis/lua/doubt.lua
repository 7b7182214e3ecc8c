-- Has a crucible compared before more votes count in it.
--
-- KEYS  1 {crucible:{id}:elo}:state  hash
-- Answer: 1, or 0 if Redis does not hold the crucible
-- Guaranteed: no vote counts until a verifier that closes the crucible from now on has opened it. One that has closed it
--         before may have read what is in doubt.

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'doubted', 1)
redis.call('HDEL', KEYS[1], 'fence')
return 1
