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
-- uses: rows sight
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
      'ZADD', companion(elo, STANDINGS), -(redis.call('HGET', elo, id) or @BASE@), standing(new_created, id)
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
-- uses: companions judged rows standings
-- A vote that is in the log counts. Should Redis refuse one of the writes that follow, because a right is missing, then
-- the state has not its number yet, and whoever finds that does them again: all of them say what is to be.
-- Takes the vote script's keys, epoch and number, the fields of the log, the pair's name, the points that changed hands
-- (nil if nobody knows), and when the entries were created (nil of one that judges see no more).
local function count_logged(keys, epoch, seq, vote, pair, points, winner_created, loser_created)
  local call, winner, loser, we, le = redis.call, vote.w, vote.l, vote.we, vote.le
  local votes = call('HMGET', keys[5], winner, loser)
  if winner_created and loser_created then
    call('ZADD', keys[4], -we, standing(winner_created, winner), -le, standing(loser_created, loser))
  elseif winner_created then
    call('ZADD', keys[4], -we, standing(winner_created, winner))
  elseif loser_created then
    call('ZADD', keys[4], -le, standing(loser_created, loser))
  end
  call('SADD', keys[7], vote.u)
  local outcome = string.format('%s:%s:%s:%s:%s:%s', winner, epoch, seq, we, le, vote.t)
  call('HSET', keys[8], pair, points and outcome .. ':' .. points or outcome)
  call('HSET', keys[1], winner, we, loser, le)
  call('HSET', keys[5], winner, (votes[1] or 0) + 1, loser, (votes[2] or 0) + 1)
  call('HSET', keys[2], 'seq', seq)
end

-- The vote that is being finished is one of those that were counted; nothing if it was before, or nobody counts yet.
local function counted(elo, state)
  if state[5] and state[5] - (state[6] or 0) == tonumber(state[2]) then
    redis.call('HINCRBY', companion(elo, STATE), 'counted', 1)
  end
end

-- Finishes the last vote of the log if the state has not its number; returns whether there was one to finish. One whose
-- entries have changed since is left: then the other stores have to be asked.
local function finish_logged(elo)
  local last = redis.call('XREVRANGE', companion(elo, LOG), '+', '-', 'COUNT', 1)[1]
  if not last then return false end
  local state = redis.call('HMGET', companion(elo, STATE), 'epoch', 'seq', 'frozen', 'rebuilding', 'counted', 'before')
  if not state[1] or state[3] or state[4] then return false end
  local seq = string.format('%d', state[2] + 1)
  if last[1] ~= state[1] .. '-' .. seq then return false end
  local vote = {}
  for at = 1, #last[2], 2 do vote[last[2][at]] = last[2][at + 1] end
  if not vote.w then return false end -- the place of a vote that was cut off, see verifier_close.lua
  local pair = tonumber(vote.w) < tonumber(vote.l) and vote.w .. ':' .. vote.l or vote.l .. ':' .. vote.w
  local outcome = redis.call('HGET', judged(elo, vote.u), pair) or ''
  if string.find(outcome, ':' .. state[1] .. ':' .. seq .. ':', 1, true) then -- all but the number was written
    counted(elo, state)
    redis.call('HSET', companion(elo, STATE), 'seq', seq)
    return true
  end
  local rows = redis.call('HMGET', companion(elo, ENTRIES), vote.w, vote.l)
  local _, _, winner_created = entry_row(rows[1] or '')
  local _, _, loser_created = entry_row(rows[2] or '')
  if not (winner_created and loser_created) then return false end
  local seen = redis.call('HMGET', companion(elo, ADMITTED), vote.w, vote.l)
  local points = vote.we - (redis.call('HGET', elo, vote.w) or @BASE@)
  local keys = {
    [1] = elo, [2] = companion(elo, STATE), [4] = companion(elo, STANDINGS), [5] = companion(elo, VOTES),
    [7] = companion(elo, JUDGES), [8] = judged(elo, vote.u),
  }
  counted(elo, state)
  count_logged(
    keys, state[1], seq, vote, pair, points ~= 0 and string.format('%d', points) or nil,
    seen[1] and winner_created or nil, seen[2] and loser_created or nil
  )
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
