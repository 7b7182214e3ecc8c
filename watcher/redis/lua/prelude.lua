-- What scripts share. The loader puts before a script the sections that its line "uses" names, and those that they use
-- themselves. Redis runs a script's whole text at each call, so a section has what belongs together and nothing else.
-- A name between two at-signs stands for data of watcher/redis/keys.py, see watcher/redis/scripts.py.
--
-- Everywhere here: elo is the name of a crucible's key of ratings, id is an entry's.

-- section: companions
-- The keys beside the ratings, in the same slot.
local @COMPANIONS@ = @COMPANION_NAMES@
local function companion(elo, name) return '{' .. elo .. '}:' .. name end

-- section: judged
-- What a judge's outcomes are called.
local function judged(elo, user) return '{' .. elo .. '}:@JUDGED@' .. user end

-- section: pools
-- There is one for each nsfwLevel that an image may have, 1 to LEVELS.
local LEVELS = @LEVELS@
local function pool(elo, level) return '{' .. elo .. '}:@POOL@' .. level end

-- section: rows
-- An entry's row, with or without a mark before it: its user, image and time of creation; nil if it is gone.
local function entry_row(text) return string.match(text, '^%d*@ENTRY_ROW_NUMBERS@$') end

-- section: numbers
-- A rating or a number of votes as it is written; nil for any other text, which only an edit by hand brings there. One
-- such text must not fail what is about other entries too.
local function whole(text)
  local digits = string.match(text or '', '^-?%d+$')
  return digits and #digits < 10 and tonumber(digits) or nil
end

-- section: marks
-- A mark is history and position in decimal digits of fixed width, so that comparing strings compares numbers.
local MARK_CHARACTERS = @MARK_CHARACTERS@

-- section: marking
-- uses: marks
-- The part of the history is the same for all rows of a call.
local function mark_history(history) return string.format('@MARK_HISTORY@', history) end
local function marked(history, position) return history .. string.format('@MARK_POSITION@', position) end

-- section: standings
-- An entry in the standings; its score is the rating's negative.
local function standing(created, id) return string.format('@STANDING@', created, id) end

-- section: standing_ids
-- The id of an entry in the standings, as other keys have it.
local function standing_id(member) return string.format('%d', string.sub(member, @STANDING_ID_FROM@)) end

-- section: sight
-- uses: companions pools standings
-- Judges see the entry no more. By its admission it is known what is done, so that goes last.
local function hide(elo, id, level, created)
  redis.call('SREM', pool(elo, level), id)
  redis.call('ZREM', companion(elo, STANDINGS), standing(created, id))
  redis.call('HDEL', companion(elo, ADMITTED), id)
end

-- section: changed_rows
-- uses: rows sight numbers
-- The entry's row is another one now, or none ('' or a mark alone). What judges were shown of it was of the old one:
-- another image has to be admitted again, and another time moves the entry among its equals.
local function left_behind(elo, id, old, new)
  local level = redis.call('HGET', companion(elo, ADMITTED), id)
  if not level then return end
  local _, image, created = entry_row(old)
  local _, new_image, new_created = entry_row(new)
  if image ~= new_image then
    hide(elo, id, level, created)
  elseif created ~= new_created then
    redis.call('ZREM', companion(elo, STANDINGS), standing(created, id))
    redis.call(
      'ZADD', companion(elo, STANDINGS), -(whole(redis.call('HGET', elo, id)) or @BASE@), standing(new_created, id)
    )
  end
end

-- section: left
-- uses: companions
-- The entry leaves. Votes that it had stay counted in the other stores, so if it ever comes back, as one that was moved
-- to another crucible by mistake does, it goes on where they left it.
local function set_aside(elo, id)
  local rating, votes = redis.call('HGET', elo, id), redis.call('HGET', companion(elo, VOTES), id)
  if rating and votes then redis.call('HSET', companion(elo, LEFT), id, rating .. ':' .. votes) end
  redis.call('HDEL', elo, id)
  redis.call('HDEL', companion(elo, VOTES), id)
end

-- The entry is there, as a new one or again. Gives it back its votes; returns its rating, which the caller writes.
local function come_back(elo, id)
  local rating, votes = string.match(redis.call('HGET', companion(elo, LEFT), id) or '', '^(-?%d+):(%d+)$')
  if votes then
    redis.call('HSET', companion(elo, VOTES), id, votes)
    redis.call('HDEL', companion(elo, LEFT), id)
  end
  return rating or @BASE@
end

-- section: logged
-- uses: companions judged rows standings numbers
-- Votes that are in the log count. Should Redis refuse one of the writes that follow, because a right is missing, then the
-- state has not the number of the last of them yet, and whoever finds that does all of them again: each says what is to be.

-- Votes of one call, which are in the log right behind each other.
local MAX_VOTES = @MAX_VOTES@

-- The pair that a vote is on, as a judge's outcomes are called.
local function pair_of(one, other)
  return tonumber(one) < tonumber(other) and one .. ':' .. other or other .. ':' .. one
end

-- How a vote is written down for its judge. Its points are left out where nobody knows them.
local function outcome(epoch, vote)
  local text = string.format('%s:%s:%d:%s:%s:%s', vote.w, epoch, vote.seq, vote.we, vote.le, vote.t)
  return vote.points and text .. ':' .. vote.points or text
end

-- Writes what votes of the log come to. Takes them in their order, each with the fields of the log, its number, its pair
-- and its points; and by its id each entry that they are on, as it is after them: its rating, its votes, and when it was
-- created (nil of one that judges see no more).
local function count_logged(elo, epoch, votes, entries)
  local call = redis.call
  local places, ratings, numbers, judges = {}, {}, {}, {}
  for id, entry in pairs(entries) do
    if entry.created then
      places[#places + 1] = -entry.rating
      places[#places + 1] = standing(entry.created, id)
    end
    ratings[#ratings + 1] = id
    ratings[#ratings + 1] = entry.rating
    numbers[#numbers + 1] = id
    numbers[#numbers + 1] = entry.votes
  end
  for at, vote in ipairs(votes) do judges[at] = vote.u end
  if #places > 0 then call('ZADD', companion(elo, STANDINGS), unpack(places)) end
  call('SADD', companion(elo, JUDGES), unpack(judges))
  call('HSET', elo, unpack(ratings))
  call('HSET', companion(elo, VOTES), unpack(numbers))
  for _, vote in ipairs(votes) do call('HSET', judged(elo, vote.u), vote.pair, outcome(epoch, vote)) end
  call('HSET', companion(elo, STATE), 'seq', votes[#votes].seq)
end

-- Returns the votes of the log whose numbers the state has not, which are those of one call: of one moment, and without a
-- gap. Nothing if there are none, or others.
local function begun(elo, epoch, seq)
  local found = redis.call(
    'XRANGE', companion(elo, LOG), string.format('%s-%d', epoch, seq + 1), '+', 'COUNT', MAX_VOTES + 1
  )
  if #found == 0 or #found > MAX_VOTES then return nil end
  local votes = {}
  for at, one in ipairs(found) do
    local vote = { seq = seq + at }
    for field = 1, #one[2], 2 do vote[one[2][field]] = one[2][field + 1] end
    if not vote.w then return nil end -- the place of a vote that was cut off, see verifier_close.lua
    if one[1] ~= string.format('%s-%d', epoch, vote.seq) or at > 1 and vote.t ~= votes[1].t then return nil end
    vote.pair = pair_of(vote.w, vote.l)
    votes[at] = vote
  end
  return votes
end

-- Returns by its id each entry that votes are on, as it is after them, and puts their points to the votes; nothing if one
-- of the entries has changed since.
local function entries_after(elo, votes)
  local entries = {}
  for _, vote in ipairs(votes) do
    for _, id in ipairs({ vote.w, vote.l }) do
      if not entries[id] then
        local _, _, created = entry_row(redis.call('HGET', companion(elo, ENTRIES), id) or '')
        if not created then return nil end
        entries[id] = {
          rating = whole(redis.call('HGET', elo, id)) or @BASE@,
          votes = whole(redis.call('HGET', companion(elo, VOTES), id)) or 0,
          created = redis.call('HGET', companion(elo, ADMITTED), id) and created or nil,
        }
      end
    end
    local winner, loser = entries[vote.w], entries[vote.l]
    local points = vote.we - winner.rating
    if points > 0 and loser.rating - vote.le == points then vote.points = string.format('%d', points) end
    winner.rating, loser.rating = tonumber(vote.we), tonumber(vote.le)
    winner.votes, loser.votes = winner.votes + 1, loser.votes + 1
  end
  return entries
end

-- Finishes the last votes of the log if the state has not their numbers; returns whether there were any to finish. Those
-- whose entries have changed since are left: then the other stores have to be asked.
local function finish_logged(elo)
  local state = redis.call('HMGET', companion(elo, STATE), 'epoch', 'seq', 'frozen', 'rebuilding', 'counted', 'before')
  if not state[1] or state[3] or state[4] then return false end
  local epoch, seq = state[1], tonumber(state[2])
  local votes = begun(elo, epoch, seq)
  if not votes then return false end
  local unwritten = {}
  for _, vote in ipairs(votes) do
    local written = redis.call('HGET', judged(elo, vote.u), vote.pair) or ''
    if not string.find(written, ':' .. epoch .. ':' .. vote.seq .. ':', 1, true) then
      unwritten[#unwritten + 1] = vote
    end
  end
  local entries
  if #unwritten == #votes then -- else the outcomes were begun, and all that comes before them was written
    entries = entries_after(elo, votes)
    if not entries then return false end
  end
  -- They are some of those that were counted; nothing if they were before, or nobody counts yet.
  if state[5] and state[5] - (state[6] or 0) == seq then
    redis.call('HINCRBY', companion(elo, STATE), 'counted', #votes)
  end
  if entries then
    count_logged(elo, epoch, votes, entries)
  else
    for _, vote in ipairs(unwritten) do redis.call('HSET', judged(elo, vote.u), vote.pair, outcome(epoch, vote)) end
    redis.call('HSET', companion(elo, STATE), 'seq', votes[#votes].seq)
  end
  return true
end

-- section: voted
-- uses: companions pools
-- Every key that votes and admissions make of a crucible, but for those of its judges, which may be very many.
local function voted(elo)
  local names = { elo }
  for _, name in ipairs({ VOTES, LEFT, STANDINGS, ADMITTED, LOG }) do names[#names + 1] = companion(elo, name) end
  for level = 1, LEVELS do names[#names + 1] = pool(elo, level) end
  return names
end

-- section: lifetime
-- Seconds that a key has to live: -1 for ever, -2 it is absent; never 0, which would be less than half a second.
local function seconds_left(key)
  local left = redis.call('TTL', key)
  return left == 0 and 1 or left
end

-- section: lock
-- Whether the lock holds the token. If so it does for so many milliseconds more.
local function locked(lock, token, ms)
  if redis.call('GET', lock) ~= token then return false end
  redis.call('PEXPIRE', lock, ms)
  return true
end
