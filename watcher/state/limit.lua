-- Charges a user's requests to a limit, as a leaky bucket: what is charged drains at a steady rate.
--
-- KEYS  1 string, the time at which the bucket is empty again, microseconds since 1970
-- ARGV  1 requests to charge   2 requests that the bucket holds   3 microseconds in which one drains
-- Answer: { requests left, ms until one more is free (0: now), ms until all are free }
--
-- More than the bucket holds may be charged, because what is charged has happened; but no more than twice of it, so that
-- a burst over many connections is forgiven in twice the time at most.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local cost, holds, each = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local empty = tonumber(redis.call('GET', KEYS[1]) or '0')
if empty < now then empty = now end
empty = math.min(empty + cost * each, now + 2 * holds * each)
redis.call('SET', KEYS[1], string.format('%.0f', empty), 'PX', math.ceil((empty - now) / 1000))
local left = math.floor((now + holds * each - empty) / each)
local wait = 0
if left < 1 then wait = math.ceil((empty - (now + (holds - 1) * each)) / 1000) end
return { math.max(0, left), wait, math.ceil((empty - now) / 1000) }
