-- Draws entries for a pair: some at random from the pools that a judge may see, and some from the top of the standings.
-- Which two of them become the pair is not decided here.
-- uses: rows pools standing_ids numbers
--
-- KEYS  1 crucible:{id}:elo             hash entry id -> rating
--       2 {crucible:{id}:elo}:state     hash; of it status, start, end, level, row, frozen, seq, before
--       3 {crucible:{id}:elo}:entries   hash entry id -> mark .. row
--       4 {crucible:{id}:elo}:votes     hash entry id -> votes
--       5 {crucible:{id}:elo}:standings sorted set, best first, member created:id
--       6 {crucible:{id}:elo}:admitted  hash entry id -> level
--       7 {crucible:{id}:elo}:judged:{user}  hash lo:hi -> outcome; and packed, see unpack.lua
--       8 {crucible:{id}:elo}:open:{user}    hash; open -> the judge's open pairs, see vote.lua; lo:hi of skipped ones;
--                                     met:<entry> of each leader that was met
--       and, in the same slot, reached by the tag: {crucible:{id}:elo}:pool:<level>  set of entry ids
-- ARGV  1 user id of the judge, whose own entries are left out
--       2 levels that the judge may see (bit flags); the crucible's own are taken into account here
--       3 entries to draw   4 entries from the top
--       5 seed of what is random here   6 1: draw nothing if two pairs are open
--       7 entries of the standings that are named as leaders
-- Answer: msgpack { now, status, start, end, level, row, visible, drawn, top, frozen, open, held, met, leaders,
--         admitted, votes }
--         now, start, end in ms since 1970, start and end may be ''; visible: how many entries the judge may see, own ones
--         included; drawn and top: lists of { entry, image, votes, rating, level, met }, met: pairs with it that the judge
--         was served; frozen: whether votes are over; open: text of the open pairs, '' if there is none; held: their
--         entries that are admitted still, like drawn, but for those of pairs that are judged; met: pairs that the judge
--         was served; leaders: ids of the first of the standings, best first; admitted: how many entries are, whoever may
--         see them; votes: those that were counted. '' if the crucible is absent; 'packed' if a rebuild has packed what the judge judged, which first has
--         to be unpacked, step by step, for there may be very much of it.
-- Guaranteed: it only reads, and costs the same however many entries there are, and hardly more for a judge of many
--         pairs: of more than MOST, so many stand for all. Drawn entries are each there once; with
--         no more visible ones than are to be drawn, all are drawn. The same seed draws the same shares of the pools.

local PAGE = 24  -- standings are read in pages of this many: the usual top, and some who do not count
local PAGES = 10 -- and so many at most: a judge who may see few of the top gets fewer of it

local MOST = 1000 -- pairs of a judge that are looked through, a third of a millisecond

local user, mask, count, wanted = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local state = redis.call('HMGET', KEYS[2], 'status', 'start', 'end', 'level', 'row', 'epoch', 'frozen', 'seq', 'before')
if not state[6] then return '' end
mask = bit.band(mask, tonumber(state[4]) or 0)

-- How often the judge has met which entry.
local met, pairs_met = {}, 0
local function meet(one, other)
  met[one], met[other] = (met[one] or 0) + 1, (met[other] or 0) + 1
  pairs_met = pairs_met + 1
end
local function meet_all(fields)
  for _, field in ipairs(fields) do
    local one, other = string.match(field, '^(%d+):(%d+)$')
    if one then meet(one, other) end
  end
end
if redis.call('HEXISTS', KEYS[7], 'packed') == 1 then return 'packed' end
local judged, share = redis.call('HLEN', KEYS[7]), 1
if judged > MOST then
  meet_all(redis.call('HRANDFIELD', KEYS[7], MOST))
  share = judged / MOST
elseif judged > 0 then
  meet_all(redis.call('HKEYS', KEYS[7]))
end
local opened = redis.call('HGET', KEYS[8], 'open')
local led = {} -- leaders that were met for certain: of very many pairs a sample may have none with them
if opened then
  local fields = redis.call('HKEYS', KEYS[8])
  meet_all(fields)
  for _, field in ipairs(fields) do
    local id = string.match(field, '^met:(%d+)$')
    if id then led[id] = true end
  end
end
local held_ids, open_pairs = {}, 0
for one, other in string.gmatch(opened or '', '|(%d+):(%d+):') do
  open_pairs = open_pairs + 1
  local pair = tonumber(one) < tonumber(other) and one .. ':' .. other or other .. ':' .. one
  if redis.call('HEXISTS', KEYS[7], pair) == 0 then
    meet(one, other)
    held_ids[#held_ids + 1], held_ids[#held_ids + 2] = one, other
  end
end
if open_pairs == 2 and #held_ids == 4 and ARGV[6] == '1' then count, wanted = 0, 0 end

-- Pools that the judge may see, and the level that each is of.
local pools, levels, sizes, visible = {}, {}, {}, 0
for level = 1, LEVELS do
  if bit.band(level, mask) ~= 0 then
    local name = pool(KEYS[1], level)
    local size = redis.call('SCARD', name)
    if size > 0 then
      pools[#pools + 1], levels[#levels + 1], sizes[#sizes + 1] = name, level, size
      visible = visible + size
    end
  end
end

-- How many of each pool: all, or as many as chance gives it.
local shares = sizes
if visible > count then
  math.randomseed(tonumber(ARGV[5]))
  shares = {}
  for at = 1, #pools do shares[at] = 0 end
  if #pools == 1 then
    shares[1] = count
  else
    for _ = 1, count do
      local left, at = math.random(visible), 1
      while left > sizes[at] do
        left = left - sizes[at]
        at = at + 1
      end
      shares[at] = shares[at] + 1
    end
  end
end

local ids, of_level = {}, {}
for at, share in ipairs(shares) do
  if share > 0 then
    for _, id in ipairs(redis.call('SRANDMEMBER', pools[at], share)) do
      ids[#ids + 1], of_level[#of_level + 1] = id, levels[at]
    end
  end
end

-- What is known of entries; those of the judge, and those that are gone, are left out.
local function described(some, some_levels, most)
  local list = {}
  if #some == 0 then return list end
  local rows = redis.call('HMGET', KEYS[3], unpack(some))
  local votes = redis.call('HMGET', KEYS[4], unpack(some))
  local ratings = redis.call('HMGET', KEYS[1], unpack(some))
  for n, id in ipairs(some) do
    local owner, image = entry_row(rows[n] or '')
    local rating = whole(ratings[n])
    if owner and owner ~= user and rating then
      list[#list + 1] = {
        tonumber(id), tonumber(image), whole(votes[n]) or 0, rating, tonumber(some_levels[n]),
        math.max(math.ceil((met[id] or 0) * share), led[id] and 1 or 0)
      }
      if #list == most then break end
    end
  end
  return list
end

local top = {}
for page = 0, PAGES - 1 do
  if #top >= wanted or visible == 0 then break end
  local members = redis.call('ZRANGE', KEYS[5], page * PAGE, page * PAGE + PAGE - 1)
  if #members == 0 then break end
  local best = {}
  for n, member in ipairs(members) do best[n] = standing_id(member) end
  local admitted = redis.call('HMGET', KEYS[6], unpack(best))
  local seen, seen_levels = {}, {}
  for n, id in ipairs(best) do
    if admitted[n] and bit.band(tonumber(admitted[n]), mask) ~= 0 then
      seen[#seen + 1], seen_levels[#seen_levels + 1] = id, admitted[n]
    end
  end
  for _, one in ipairs(described(seen, seen_levels, wanted - #top)) do top[#top + 1] = one end
end

local leaders = {}
if tonumber(ARGV[7]) > 0 then
  for n, member in ipairs(redis.call('ZRANGE', KEYS[5], 0, ARGV[7] - 1)) do leaders[n] = tonumber(standing_id(member)) end
end

local held, held_levels = {}, {}
if #held_ids > 0 then
  local admitted = redis.call('HMGET', KEYS[6], unpack(held_ids))
  for n, id in ipairs(held_ids) do
    if admitted[n] then held[#held + 1], held_levels[#held_levels + 1] = id, admitted[n] end
  end
end

local time = redis.call('TIME')
return cmsgpack.pack({
  time[1] * 1000 + math.floor(time[2] / 1000),
  state[1] or '', state[2] or '', state[3] or '', tonumber(state[4]) or 0, state[5] or '',
  visible, described(ids, of_level, count), top, state[7] and true or false,
  opened or '', described(held, held_levels, #held), math.ceil(pairs_met * share), leaders,
  redis.call('HLEN', KEYS[6]), (state[8] or 0) + (state[9] or 0),
})
