-- Admits entries of one crucible to the pools and the standings, moves them to another pool, and takes them out. Doing it
-- twice changes nothing.
--
-- KEYS  1 crucible:{id}:elo             hash entry id -> rating
--       2 {crucible:{id}:elo}:state     hash; the crucible is present if and only if it is there
--       3 {crucible:{id}:elo}:entries   hash entry id -> mark .. row
--       4 {crucible:{id}:elo}:standings sorted set, score -rating, member created:id
--       5 {crucible:{id}:elo}:admitted  hash entry id -> level
--       and, in the same slot, reached by the tag: {crucible:{id}:elo}:pool:<level>  set of entry ids
-- ARGV  1 msgpack: list of { entry, level (0: out with it), image }
--         A verdict is about an image: if the entry has another by now, it says nothing.
-- Answer: for each verdict 'admitted', 'moved', 'removed', 'same' or 'unknown' (no such entry, or another image);
--         nothing at all if the crucible is absent.

local ROW = '^%d+{"user":%d+,"image":(%d+),"created":(-?%d+)}$'
local POOL = '{' .. KEYS[1] .. '}:pool:'

local left = redis.call('TTL', KEYS[2])
if left == -2 then return {} end

local answers = {}
for n, verdict in ipairs(cmsgpack.unpack(ARGV[1])) do
  local id, level = string.format('%.0f', verdict[1]), verdict[2]
  local image, created = string.match(redis.call('HGET', KEYS[3], id) or '', ROW)
  local had = tonumber(redis.call('HGET', KEYS[5], id) or 0)
  local rating = tonumber(redis.call('HGET', KEYS[1], id) or nil)
  if not image or not rating or tonumber(image) ~= verdict[3] then
    answers[n] = 'unknown'
  elseif had == level then
    answers[n] = 'same'
  else
    local member = string.format('%015.0f:%010.0f', created, id)
    if had > 0 then redis.call('SREM', POOL .. had, id) end
    if level > 0 then
      redis.call('SADD', POOL .. level, id)
      redis.call('HSET', KEYS[5], id, level)
      redis.call('ZADD', KEYS[4], -rating, member)
      if left > 0 then redis.call('EXPIRE', POOL .. level, left) end
    else
      redis.call('HDEL', KEYS[5], id)
      redis.call('ZREM', KEYS[4], member)
    end
    answers[n] = level == 0 and 'removed' or had == 0 and 'admitted' or 'moved'
  end
end
if left > 0 then
  redis.call('EXPIRE', KEYS[4], left)
  redis.call('EXPIRE', KEYS[5], left)
end
return answers
