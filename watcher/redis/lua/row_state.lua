-- Shows rows of some crucibles as the change stream has them.
-- uses: companions judged marking changed_rows left voted lifetime
--
-- A crucible is present if its state is. Of an absent one nothing is written but its own row, and that only while it is
-- not finished; its entries are answered with its id, so that it can be built from the other stores.
--
-- KEYS  three a crucible, in the order of the crucibles in ARGV; on a cluster, where keys of several may be on several
--       nodes, one crucible a call. Their companions, in the same slot, are reached by the tag {crucible:{id}:elo}:
--       crucible:{id}:elo            hash entry id -> rating; set once per entry, owned by votes
--       {crucible:{id}:elo}:state    hash mark, row; status, start, end, level for scripts; epoch, seq of the votes
--       {crucible:{id}:elo}:entries  hash entry id -> mark .. row; the mark alone is the tombstone of a deleted entry
--       and {crucible:{id}:elo}:verdicts  hash entry id -> mark .. 1 if the entry takes part or 0
-- ARGV  1 number of the database's history that the positions in the log belong to
--       2 msgpack: list of { id, rows } of the crucibles
--         rows  list of { kind, position, what the kind needs }, see SHOW; of the kind crucible: seconds to live (0: for
--               ever), row (JSON), status, start, end, level; of a deleted crucible the texts are empty. Of the kind
--               verdict: entry, image, and 1 if the entry takes part or 0
--       3 and on: for each crucible its entries' rows, SIZE bytes each: position, entry, user, image, created, and 1 or,
--         of one that is gone, 0
-- Answer: { rows applied, rows older than what is shown, { absent crucibles that entries came for, and crucibles that
--         are to be compared anew }, { crucibles that have ended, and whose judges' keys do not expire yet } }
--         Judges may be very many, so whoever calls sees to them, in portions. The list of judges expires when that is
--         done; until then it is answered at each of the crucible's rows, also at one that comes again.
-- Guaranteed: applying it twice, late or out of order changes nothing: a row's state carries the place in the log that it
--         shows (its mark), and an older mark never overwrites a newer one. A mark is written after all that it stands
--         for, so should Redis refuse a part, because a right is missing, then the same row that comes again does it. Nor does a row, whether Redis has heard of it
--         or not, that is older than the crucible's horizon: rows were shown as PostgreSQL had them later. Where that is
--         not sure, the row is shown and the crucible compared anew. A rating, once there, is the votes' alone.
--         Nothing outlives a crucible that has ended.

local CHUNK = 1000 -- unpack() has a limited stack
local ENTRY, SIZE = '@PACKED_ENTRY@', @PACKED_ENTRY_BYTES@

local applied, stale, absent, ending = 0, 0, {}, {}
local horizon, unsure, doubted -- of the crucible at hand: marks, and whether a row of it came from between them
local history = mark_history(ARGV[1])

-- Whether a row with this mark says nothing new, given the mark of what is shown.
local function no_news(mark, shown)
  if shown >= mark or mark < horizon then return true end
  if mark < unsure then doubted = true end
  return false
end

-- Every key that the crucible may have, but for those of its judges.
local function all_but_judges(keys)
  local names = voted(keys[1])
  names[#names + 1], names[#names + 2], names[#names + 3] = keys[2], keys[3], companion(keys[1], VERDICTS)
  return names
end

-- Its end is undone. At once and for all judges, however many: votes are accepted again, and build on what they judged.
local function go_on(keys)
  local judges = companion(keys[1], JUDGES)
  for _, key in ipairs(all_but_judges(keys)) do redis.call('PERSIST', key) end
  for _, user in ipairs(redis.call('SMEMBERS', judges)) do redis.call('PERSIST', judged(keys[1], user)) end
  redis.call('PERSIST', judges)
end

-- A deleted crucible's entries are deleted by changes of their own (the foreign key sees to that), and only those know
-- whether they are older than what is shown; here everything is merely given a time to live.
-- Takes and returns what TTL said of the state: -2 absent, -1 for ever, else seconds.
local function show_crucible(keys, row, left)
  local mark, seconds = marked(history, row[2]), row[3]
  if no_news(mark, redis.call('HGET', keys[2], 'mark') or '') then
    stale = stale + 1
  elseif left ~= -2 or seconds == 0 then
    if left == -2 then redis.call('HSET', keys[2], 'epoch', 1, 'seq', 0) end
    if seconds == 0 then
      if left > 0 then go_on(keys) end
      left = -1
    elseif left == -1 then -- else it has ended before, and its time runs
      for _, key in ipairs(all_but_judges(keys)) do redis.call('EXPIRE', key, seconds) end
      left = seconds
    end
    redis.call(
      'HSET', keys[2], 'mark', mark,
      'row', row[4], 'status', row[5], 'start', row[6], 'end', row[7], 'level', row[8]
    )
    applied = applied + 1
  end
  return left
end

-- An entry that takes part no more is hidden at once. One that does from now on is shown when somebody has looked at its
-- image.
local function show_verdict(keys, row, left)
  if left == -2 then return left end
  local mark, id, takes_part = marked(history, row[2]), string.format('%.0f', row[3]), row[5]
  local verdicts = companion(keys[1], VERDICTS)
  local shown = redis.call('HGET', verdicts, id)
  if no_news(mark, shown and string.sub(shown, 1, MARK_CHARACTERS) or '') then
    stale = stale + 1
  else
    local level = takes_part == 0 and redis.call('HGET', companion(keys[1], ADMITTED), id)
    if level then
      local _, _, created = entry_row(redis.call('HGET', keys[3], id) or '')
      hide(keys[1], id, level, created)
    end
    redis.call('HSET', verdicts, id, mark .. takes_part)
    if left > 0 then redis.call('EXPIRE', verdicts, left) end
    applied = applied + 1
  end
  return left
end

-- What shows a row, by its kind: takes the keys, the row, and how long the crucible lives, and returns the latter.
-- Entries, which are many, come packed and have a way of their own.
local SHOW = { crucible = show_crucible, verdict = show_verdict }

local function show_entries(keys, entries)
  for first = 1, #entries, CHUNK * SIZE do
    local ids, marks, new_rows = {}, {}, {}
    for at = first, math.min(first + CHUNK * SIZE, #entries + 1) - SIZE, SIZE do
      local position, id, user, image, created, lives = struct.unpack(ENTRY, entries, at)
      ids[#ids + 1] = string.format('%.0f', id)
      marks[#marks + 1] = marked(history, position)
      new_rows[#new_rows + 1] = lives == 0 and '' or string.format('@ENTRY_ROW@', user, image, created)
    end
    local found = redis.call('HMGET', keys[3], unpack(ids))
    local shown, rows = {}, {} -- by entry id, as they will be after this chunk: an entry may be in it more than once
    for at, id in ipairs(ids) do
      local is = found[at]
      shown[id] = is and string.sub(is, 1, MARK_CHARACTERS) or ''
      rows[id] = is and string.sub(is, MARK_CHARACTERS + 1) or ''
    end
    local texts, lives = {}, {}
    for at, id in ipairs(ids) do
      local mark, row = marks[at], new_rows[at]
      if no_news(mark, shown[id]) then
        stale = stale + 1
      else
        local old = rows[id]
        if row ~= '' then lives[#lives + 1] = id end
        if old ~= '' and old ~= row then left_behind(keys[1], id, old, row) end
        if row == '' then set_aside(keys[1], id) end
        shown[id], rows[id] = mark, row
        texts[#texts + 1] = id
        texts[#texts + 1] = mark .. row
        applied = applied + 1
      end
    end
    if #lives > 0 then
      local ratings, new = redis.call('HMGET', keys[1], unpack(lives)), {}
      for at, id in ipairs(lives) do
        if not ratings[at] and rows[id] ~= '' then
          new[#new + 1] = id
          new[#new + 1] = come_back(keys[1], id)
        end
      end
      if #new > 0 then redis.call('HSET', keys[1], unpack(new)) end
    end
    if #texts > 0 then redis.call('HSET', keys[3], unpack(texts)) end
  end
end

for at, change in ipairs(cmsgpack.unpack(ARGV[2])) do
  local keys = { unpack(KEYS, at * 3 - 2, at * 3) }
  local rows, entries = change[2], ARGV[at + 2]
  local left = seconds_left(keys[2])
  local known = redis.call('HMGET', keys[2], 'horizon', 'unsure')
  horizon, unsure, doubted = known[1] or '', known[2] or '', false
  if #rows > 0 then
    for _, row in ipairs(rows) do left = SHOW[row[1]](keys, row, left) end
    if left > 0 and redis.call('TTL', companion(keys[1], JUDGES)) == -1 then ending[#ending + 1] = change[1] end
  end
  if #entries > 0 then
    if left == -2 then
      absent[#absent + 1] = change[1]
    else
      show_entries(keys, entries)
      if left > 0 then -- nothing outlives its crucible, and each of these may be new
        redis.call('EXPIRE', keys[1], left)
        redis.call('EXPIRE', keys[3], left)
        for _, name in ipairs({ VOTES, LEFT, STANDINGS }) do redis.call('EXPIRE', companion(keys[1], name), left) end
      end
    end
  end
  if doubted then
    redis.call('HSET', keys[2], 'doubted', 1)
    redis.call('HDEL', keys[2], 'fence')
    absent[#absent + 1] = change[1]
  end
end

return { applied, stale, absent, ending }
