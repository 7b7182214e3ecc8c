-- What votes have made of some entries.
-- uses: companions numbers
--
-- KEYS  1 crucible:{id}:elo  hash entry id -> rating; its companions in the same slot are reached by its tag
-- ARGV  1.. entry ids, a thousand at most; all are unpacked at once
-- Answer: rating and votes of each, one after the other; '' and 0 of one that is not there
-- Guaranteed: it only reads. An entry that is gone has what its votes left it.

local ratings = redis.call('HMGET', KEYS[1], unpack(ARGV))
local votes = redis.call('HMGET', companion(KEYS[1], VOTES), unpack(ARGV))
local gone = redis.call('HMGET', companion(KEYS[1], LEFT), unpack(ARGV))
local answer, at = {}, 1
while ARGV[at] do
  local rating, count = ratings[at], votes[at]
  if not rating then rating, count = string.match(gone[at] or '', '^(-?%d+):(%d+)$') end
  answer[2 * at - 1], answer[2 * at] = whole(rating) or '', whole(count) or 0
  at = at + 1
end
return answer
