-- Passes a judge's open pair on.
--
-- KEYS  1 {crucible:{id}:elo}:state          hash; of it epoch, fence, rebuilding
--       2 {crucible:{id}:elo}:judged:{user}  hash lo:hi -> outcome; and packed, see unpack.lua
--       3 {crucible:{id}:elo}:open:{user}    hash; open -> the open pairs, see vote.lua; lo:hi of each skipped one
-- ARGV  1 fence: the identity of the Redis process that the caller is connected to
--       2, 3 the entries of the pair
-- Answer: 'ok', or the code of the refusal
-- Guaranteed: a pair is passed on once, and its repeat is told the same. A judge of whom nothing is known, because it was
--         lost, is taken at the word of the token.

local state = redis.call('HMGET', KEYS[1], 'epoch', 'fence', 'rebuilding')
if not state[1] then return 'absent' end
if state[2] ~= ARGV[1] or state[3] then return 'unverified' end

local one, other = ARGV[2], ARGV[3]
local pair = tonumber(one) < tonumber(other) and one .. ':' .. other or other .. ':' .. one
local found = redis.call('HMGET', KEYS[3], 'open', pair)
if found[2] then return 'ok' end
local said = redis.call('HMGET', KEYS[2], pair, 'packed')
if said[1] then return 'pair_token_stale' end
if said[2] then
  local block = redis.call('HGET', KEYS[2], 'packed:' .. (one + other) % said[2])
  if block and string.find(block, ' ' .. pair .. '=', 1, true) then return 'pair_token_stale' end
end

local judged, skipped, rest = '0', '0', ''
if found[1] then
  local left, right
  judged, skipped, left, right, rest = string.match(found[1], '^(%d+):(%d+)|(%d+):(%d+):[^|]*(.*)$')
  if not (left == one and right == other or left == other and right == one) then
    local next_left, next_right = string.match(rest or '', '^|(%d+):(%d+):')
    local follows = next_left == one and next_right == other or next_left == other and next_right == one
    return follows and 'pair_token_early' or 'pair_token_stale'
  end
end
if skipped + 0 >= @FREE_SKIPS@ + math.floor(judged / @PAIRS_PER_SKIP@) then return 'skips_exhausted' end
redis.call('HSET', KEYS[3], 'open', string.format('%d:%d', judged, skipped + 1) .. rest, pair, '')
redis.call('EXPIRE', KEYS[3], @OPEN_SECONDS@)
return 'ok'
