-- Charges users' requests to their limit, as leaky buckets: what is charged drains at a steady rate.
--
-- KEYS  a user each: string, the time at which the bucket is empty again, microseconds since 1970
-- ARGV  1 requests that a bucket holds   2 microseconds in which one drains   3.. requests to charge, in the order of KEYS
-- Answer: for each user { requests left, ms until one more is free (0: now), ms until all are free }, one after the other
-- Guaranteed: a key expires once its bucket is empty. The clock is Redis' own.
--
-- More than a bucket holds may be charged, because what is charged has happened; but no more than twice of it, so that a
-- burst over many connections is forgiven in twice the time at most.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local holds, each = tonumber(ARGV[1]), tonumber(ARGV[2])
local answer = {}

for at, key in ipairs(KEYS) do
  local empty = tonumber(redis.call('GET', key) or '0')
  if empty < now then empty = now end
  empty = math.min(empty + ARGV[at + 2] * each, now + 2 * holds * each)
  redis.call('SET', key, string.format('%d', empty), 'PX', math.ceil((empty - now) / 1000))
  local left = math.floor((now + holds * each - empty) / each)
  answer[#answer + 1] = math.max(0, left)
  answer[#answer + 1] = left < 1 and math.ceil((empty - (now + (holds - 1) * each)) / 1000) or 0
  answer[#answer + 1] = math.ceil((empty - now) / 1000)
end

return answer
