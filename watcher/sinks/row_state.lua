-- Shows rows of one crucible as the change stream has them. Applying it twice, late or out of order changes nothing:
-- a row's state carries the place in the log that it shows (its mark), and an older mark never overwrites a newer one.
--
-- KEYS  1 crucible:{id}:elo            hash entry id -> rating; set once per entry, owned by votes
--       2 {crucible:{id}:elo}:state    hash mark, row; the crucible
--       3 {crucible:{id}:elo}:entries  hash entry id -> mark .. row; the mark alone is the tombstone of a deleted entry
--       4 {crucible:{id}:elo}:votes    hash entry id -> votes
-- ARGV  1 msgpack: { crucible, entries }
--         crucible  nil, or { mark, row (JSON, '' when deleted), seconds to live (0: for ever) }
--         entries   list of { entry id, mark, row (JSON, '' when gone) }
--       2 rating of a new entry
--       3 seconds to live of entries whose crucible has not been seen yet
-- Answer: { rows applied, rows older than what is shown }
--
-- Marks are decimal digits of fixed width, so that comparing strings compares numbers; a double could not hold them.

local MARK = 30
local CHUNK = 1000 -- unpack() has a limited stack

local change = cmsgpack.unpack(ARGV[1])
local crucible, entries = change[1], change[2]
local applied, stale = 0, 0

if crucible then
  local mark, row, seconds = crucible[1], crucible[2], tonumber(crucible[3])
  local shown = redis.call('HGET', KEYS[2], 'mark')
  if shown and shown >= mark then
    stale = stale + 1
  else
    redis.call('HSET', KEYS[2], 'mark', mark, 'row', row)
    for _, key in ipairs(KEYS) do
      if seconds > 0 then redis.call('EXPIRE', key, seconds) else redis.call('PERSIST', key) end
    end
    if row == '' then redis.call('DEL', KEYS[1], KEYS[4]) end
    applied = applied + 1
  end
end

for first = 1, #entries, CHUNK do
  local last = math.min(first + CHUNK - 1, #entries)
  local ids = {}
  for at = first, last do ids[#ids + 1] = entries[at][1] end
  local shown = redis.call('HMGET', KEYS[3], unpack(ids))
  local rows, gone = {}, {}
  for at = first, last do
    local id, mark, row = entries[at][1], entries[at][2], entries[at][3]
    local old = shown[at - first + 1]
    if old and string.sub(old, 1, MARK) >= mark then
      stale = stale + 1
    else
      rows[#rows + 1] = id
      rows[#rows + 1] = mark .. row
      if row == '' then
        gone[#gone + 1] = id
      else
        redis.call('HSETNX', KEYS[1], id, ARGV[2])
      end
      applied = applied + 1
    end
  end
  if #rows > 0 then redis.call('HSET', KEYS[3], unpack(rows)) end
  if #gone > 0 then
    redis.call('HDEL', KEYS[1], unpack(gone))
    redis.call('HDEL', KEYS[4], unpack(gone))
  end
end

-- Nothing outlives its crucible: what is written beside a crucible that is finished, or not seen yet, expires.
if #entries > 0 then
  local left = redis.call('TTL', KEYS[2])
  if left == -2 then left = tonumber(ARGV[3]) end
  if left > 0 then
    for _, key in ipairs({ KEYS[1], KEYS[3], KEYS[4] }) do redis.call('EXPIRE', key, left) end
  end
end

return { applied, stale }
