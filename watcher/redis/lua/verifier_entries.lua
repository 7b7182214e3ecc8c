-- Shows entries as PostgreSQL has them, where Redis still shows what the verifier has read of it; a row that has changed
-- meanwhile is newer than what the verifier knows, and stays.
--
-- KEYS  1 {crucible:{id}:elo}:verifier   string, token of the verifier at work
--       2 crucible:{id}:elo            hash entry id -> rating
--       3 {crucible:{id}:elo}:entries  hash entry id -> mark .. row; the mark alone is one that is gone
-- ARGV  1 token   2 milliseconds that the verifier has until its next step   3 rating of a new entry
--       4 msgpack: list of { entry, what it has read ('' if nothing), what it is to be, rating or nil, votes or nil }
-- Answer: number of rows that changed, or -1 if somebody else is at work
--
-- With a rating, rating and votes are set too. Without, they stay what they are. Those of an entry that is gone are then
-- set aside, and one that is back goes on where they left it, as in row_state.lua.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])

local MARK = 30
local tag = '{' .. KEYS[2] .. '}:'
local changed = 0

local function out_of_sight(id, old)
  local level = redis.call('HGET', tag .. 'admitted', id)
  if not level then return end
  local created = string.match(old, '"created":(-?%d+)')
  redis.call('HDEL', tag .. 'admitted', id)
  redis.call('SREM', tag .. 'pool:' .. level, id)
  redis.call('ZREM', tag .. 'standings', string.format('%015.0f:%010.0f', created, id))
end

local function set_aside(id)
  local rating, votes = redis.call('HGET', KEYS[2], id), redis.call('HGET', tag .. 'votes', id)
  if rating and votes then redis.call('HSET', tag .. 'left', id, rating .. ':' .. votes) end
  redis.call('HDEL', KEYS[2], id)
  redis.call('HDEL', tag .. 'votes', id)
end

local function come_back(id)
  local rating, votes = string.match(redis.call('HGET', tag .. 'left', id) or '', '^(-?%d+):(%d+)$')
  if votes then
    redis.call('HSET', tag .. 'votes', id, votes)
    redis.call('HDEL', tag .. 'left', id)
  end
  redis.call('HSET', KEYS[2], id, rating or ARGV[3])
end

for _, one in ipairs(cmsgpack.unpack(ARGV[4])) do
  local id, read, wanted, rating, votes = string.format('%.0f', one[1]), one[2], one[3], one[4], one[5]
  local shown = redis.call('HGET', KEYS[3], id) or ''
  if shown == read and shown ~= wanted then
    if #shown > MARK then out_of_sight(id, shown) end
    redis.call('HSET', KEYS[3], id, wanted)
    shown = wanted
    changed = changed + 1
  end
  if rating then
    redis.call('HSET', KEYS[2], id, string.format('%.0f', rating))
    if votes > 0 then redis.call('HSET', tag .. 'votes', id, string.format('%.0f', votes)) end
  end
  if #shown <= MARK then
    set_aside(id)
  elseif not rating and redis.call('HEXISTS', KEYS[2], id) == 0 then
    come_back(id)
  end
end
return changed
