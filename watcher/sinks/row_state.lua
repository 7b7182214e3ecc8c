-- Shows rows of some crucibles as the change stream has them. Applying it twice, late or out of order changes nothing:
-- a row's state carries the place in the log that it shows (its mark), and an older mark never overwrites a newer one.
--
-- KEYS  four a crucible, in the order of the crucibles in ARGV; on a cluster, where keys of several may be on several
--       nodes, one crucible a call
--       crucible:{id}:elo            hash entry id -> rating; set once per entry, owned by votes
--       {crucible:{id}:elo}:state    hash mark, row; the crucible
--       {crucible:{id}:elo}:entries  hash entry id -> mark .. row; the mark alone is the tombstone of a deleted entry
--       {crucible:{id}:elo}:votes    hash entry id -> votes
-- ARGV  1 msgpack: list of { crucible, entries }
--         crucible  list of { position, row (JSON, '' when deleted), seconds to live (0: for ever) }
--         entries   list of { position, { crucible, entry, user, image, created } }, or { position, { crucible, entry } }
--                   for one that is gone
--       2 number of the database's history that the positions in the log belong to
--       3 rating of a new entry
--       4 seconds to live of entries whose crucible has not been seen yet
-- Answer: { rows applied, rows older than what is shown }
--
-- A mark is history and position in decimal digits of fixed width, so that comparing strings compares numbers.

local MARK = 30
local CHUNK = 1000 -- unpack() has a limited stack

local applied, stale = 0, 0

local function marked(position)
  return string.format('%010d%020.0f', ARGV[2], position)
end

-- A deleted crucible's entries are deleted by changes of their own (the foreign key sees to that), and only those know
-- whether they are older than what is shown; here everything is merely given a time to live.
local function show_crucible(keys, crucible)
  for _, state in ipairs(crucible) do
    local mark, row, seconds = marked(state[1]), state[2], state[3]
    local shown = redis.call('HGET', keys[2], 'mark')
    if shown and shown >= mark then
      stale = stale + 1
    else
      redis.call('HSET', keys[2], 'mark', mark, 'row', row)
      for _, key in ipairs(keys) do
        if seconds > 0 then redis.call('EXPIRE', key, seconds) else redis.call('PERSIST', key) end
      end
      applied = applied + 1
    end
  end
end

local function show_entries(keys, entries)
  for first = 1, #entries, CHUNK do
    local last = math.min(first + CHUNK - 1, #entries)
    local ids = {}
    for at = first, last do ids[#ids + 1] = string.format('%.0f', entries[at][2][2]) end
    local found = redis.call('HMGET', keys[3], unpack(ids))
    local shown = {} -- entry id -> mark, as it will be after this chunk: an entry may be in it more than once
    for at, id in ipairs(ids) do shown[id] = found[at] and string.sub(found[at], 1, MARK) or '' end
    local rows, lives, left = {}, {}, {} -- left: also those that came back within this chunk, and begin anew
    for at, id in ipairs(ids) do
      local entry, mark = entries[first + at - 1][2], marked(entries[first + at - 1][1])
      if shown[id] >= mark then
        stale = stale + 1
      else
        local row = ''
        if #entry > 2 then
          row = string.format('{"user":%.0f,"image":%.0f,"created":%.0f}', entry[3], entry[4], entry[5])
        end
        shown[id] = mark
        rows[#rows + 1] = id
        rows[#rows + 1] = mark .. row
        lives[id] = row ~= ''
        if row == '' then left[#left + 1] = id end
        applied = applied + 1
      end
    end
    if #rows > 0 then redis.call('HSET', keys[3], unpack(rows)) end
    for _, id in ipairs(left) do
      redis.call('HDEL', keys[1], id)
      redis.call('HDEL', keys[4], id)
    end
    for id, is in pairs(lives) do
      if is then redis.call('HSETNX', keys[1], id, ARGV[3]) end
    end
  end
end

-- Nothing outlives its crucible: what is written beside a crucible that is finished, or not seen yet, expires.
local function bound(keys, entries)
  if #entries > 0 then
    local left = redis.call('TTL', keys[2])
    if left == -2 then left = tonumber(ARGV[4]) end
    if left > 0 then
      for _, key in ipairs({ keys[1], keys[3], keys[4] }) do redis.call('EXPIRE', key, left) end
    end
  end
end

for at, change in ipairs(cmsgpack.unpack(ARGV[1])) do
  local keys = { unpack(KEYS, at * 4 - 3, at * 4) }
  show_crucible(keys, change[1])
  show_entries(keys, change[2])
  bound(keys, change[2])
end

return { applied, stale }
