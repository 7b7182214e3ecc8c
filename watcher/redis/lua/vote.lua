-- Casts votes on a crucible, one after the other.
-- uses: companions judged logged rows numbers
--
-- KEYS  1 crucible:{id}:elo             hash entry id -> rating
--       Its companions in the same slot are reached by its tag:
--         {crucible:{id}:elo}:state     hash; of it status, start, end, fence, epoch, seq, rebuilding, frozen, counted
--         {crucible:{id}:elo}:entries   hash entry id -> mark .. row; the mark alone is one that is gone
--         {crucible:{id}:elo}:standings sorted set, score -rating, member created:id
--         {crucible:{id}:elo}:votes     hash entry id -> votes
--         {crucible:{id}:elo}:log       stream epoch-seq -> w l u t we le
--         {crucible:{id}:elo}:judges    set of user ids
--         {crucible:{id}:elo}:admitted  hash entry id -> level
--         {crucible:{id}:elo}:judged:{user}  hash lo:hi -> winner:epoch:seq:winner_elo:loser_elo:ms:winner_delta; and
--                                     packed, packed:<n> after a rebuild, see unpack.lua
--         {crucible:{id}:elo}:open:{user}  hash; of it open -> judged:skipped, then |left:right:level:expires of the pair
--                                     to judge now and of the one that follows it, as far as there are any
-- ARGV  1 fence: the identity of the Redis process that the caller is connected to
--       2 votes that the log may hold
--       3.. five of each vote, of which there are MAX_VOTES at most: user id, entry id of the winner, entry id of the loser;
--         '' or a refusal's code: then only a repeat is answered, anything else is refused with that code; 1: the vote is
--         on a pair that was served, so it counts only if that is the one to judge now
-- Answer: of each vote { 'ok', winner_elo, loser_elo, winner_delta, epoch, seq, ms, repeated, 1 if pairs are open to the
--         judge else 0 }, or { code of the refusal }, or the error with which Redis refused to write it
-- Guaranteed: everything that can refuse a vote is looked at before it is written, so it counts whole or not at all.
--         Votes on a crucible count one after the other, in the order of their numbers. A judge's pair counts once; its
--         repeat gets what the vote got, also after the crucible's end or its freeze. The clock is Redis' own. A judge of
--         whom no open pairs are known, because they were lost, is taken at the word of the token.
--
-- What does not belong to one vote alone is read and written once, for all of them.

local call = redis.call -- looked up once, for it is called many times
local GAINS = '@GAINS@' -- the winner's gain by points of lead, one letter each, A = 1
local BASE = @BASE@ -- rating of an entry that has none yet

local function gain(lead)
  if lead >= 0 then return (string.byte(GAINS, lead + 1) or 64) - 64 end
  return 96 - (string.byte(GAINS, 1 - lead) or 64)
end

-- The gain of a vote that was recorded without it: the one that leads to the ratings after it. Beside each of the 32
-- steps of the table two gains do; then the smaller is told.
local function gained(winner_elo, loser_elo)
  for points = 0, 32 do
    if gain(winner_elo - loser_elo - 2 * points) == points then return points end
  end
  return 0
end

local ELO = KEYS[1]
local STATE_KEY, LOG_KEY = companion(ELO, STATE), companion(ELO, LOG)
local FIRST, FIELDS = 3, 5 -- where the votes' arguments begin, and how many each has

local state, log_room, ms
local entries = {} -- by id, as the votes so far leave them

local function look()
  state = call('HMGET', STATE_KEY, 'epoch', 'fence', 'rebuilding', 'seq', 'status', 'start', 'end', 'frozen', 'counted')
  log_room = ARGV[2] - call('XLEN', LOG_KEY)
  local time = call('TIME')
  ms = time[1] .. string.sub('00000' .. time[2], -6, -4)
  local ids, known = {}, {}
  for at = FIRST, #ARGV, FIELDS do
    for place = at + 1, at + 2 do
      local id = ARGV[place]
      if not known[id] then
        known[id] = true
        ids[#ids + 1] = id
      end
    end
  end
  local rows, admitted = call('HMGET', companion(ELO, ENTRIES), unpack(ids)), call('HMGET', companion(ELO, ADMITTED), unpack(ids))
  local ratings, votes = call('HMGET', ELO, unpack(ids)), call('HMGET', companion(ELO, VOTES), unpack(ids))
  for at, id in ipairs(ids) do
    local owner, _, created = entry_row(rows[at] or '')
    entries[id] = {
      owner = owner, created = created, admitted = admitted[at], rating = whole(ratings[at]) or BASE,
      votes = whole(votes[at]) or 0,
    }
  end
end

local counted, voted_on = {}, {} -- the votes that count, and the entries that they are on
local outcomes, opens = {}, {}   -- by judge and pair, and by judge: what they leave, and nothing has written yet

-- What the judge's vote on the pair came to, if there was one.
local function judged_before(user, pair, winner, loser)
  if outcomes[user .. ' ' .. pair] then return outcomes[user .. ' ' .. pair] end
  local key = judged(ELO, user)
  local said = call('HMGET', key, pair, 'packed')
  if said[1] or not said[2] then return said[1] end
  local block = call('HGET', key, 'packed:' .. (winner + loser) % said[2]) -- a rebuild has packed outcomes, maybe the pair's
  return block and string.match(block, ' ' .. pair .. '=(%S+)')
end

-- What is open to the judge after a vote on the first of it; or nothing, and the refusal of one that is on no such pair.
local function passed(opened, winner, loser)
  local done, skipped, left, right, rest = string.match(opened, '^(%d+):(%d+)|(%d+):(%d+):[^|]*(.*)$')
  if not (left == winner and right == loser or left == loser and right == winner) then
    left, right = string.match(rest or '', '^|(%d+):(%d+):')
    local follows = left == winner and right == loser or left == loser and right == winner
    return nil, follows and 'pair_token_early' or 'pair_token_stale'
  end
  return string.format('%d:%s%s', done + 1, skipped, rest)
end

-- Returns the answer; nothing if other votes had to be finished first.
local function cast(user, winner, loser, refusal, served)
  if winner == loser then return { 'same_entry' } end
  if not state[1] then return { 'absent' } end
  if state[2] ~= ARGV[1] or state[3] then return { 'unverified' } end

  local pair = pair_of(winner, loser)
  local before = judged_before(user, pair, winner, loser)
  local opened = served == '1' and (opens[user] or call('HGET', companion(ELO, '@OPEN@') .. user, 'open'))
  if before then
    local to, epoch, seq, winner_elo, loser_elo, then_ms, points =
      string.match(before, '^(%d+):(%d+):(%d+):(-?%d+):(-?%d+):(%d+):?(%d*)$')
    if to ~= winner then return { 'judged_otherwise' } end
    winner_elo, loser_elo = tonumber(winner_elo), tonumber(loser_elo)
    points = tonumber(points) or gained(winner_elo, loser_elo)
    return { 'ok', winner_elo, loser_elo, points, tonumber(epoch), tonumber(seq), tonumber(then_ms), 1, opened and 1 or 0 }
  end
  if refusal ~= '' then return { refusal } end

  if state[5] ~= 'Active' then return { 'not_active' } end
  if state[8] then return { 'frozen' } end
  local now, starts, ends = tonumber(ms), tonumber(state[6]), tonumber(state[7]) -- nil when there is none
  if starts and now < starts then return { 'not_started' } end
  if ends and now > ends then return { 'ended' } end

  local still_open, elsewhere
  if opened then
    still_open, elsewhere = passed(opened, winner, loser)
    if elsewhere then return { elsewhere } end
  end

  local won, lost = entries[winner], entries[loser]
  if not (won.owner and lost.owner) then return { 'unknown_entry' } end
  if not (won.admitted and lost.admitted) then return { 'not_admitted' } end
  if won.owner == user or lost.owner == user then return { 'own_entry' } end
  if log_room <= 0 then return { 'backlog' } end

  local points = gain(won.rating - lost.rating)
  local vote = {
    w = winner, l = loser, u = user, t = ms, we = string.format('%d', won.rating + points),
    le = string.format('%d', lost.rating - points), seq = state[4] + 1, pair = pair, points = points,
  }
  -- The log comes first: should Redis refuse to write (memory, disk, a right that is missing), it refuses here, or what
  -- is written is known by it, and finished by whoever comes next.
  local added = redis.pcall(
    'XADD', LOG_KEY, string.format('%s-%d', state[1], vote.seq),
    'w', winner, 'l', loser, 'u', user, 't', ms, 'we', vote.we, 'le', vote.le
  )
  if type(added) == 'table' then
    if not string.find(added.err, 'equal or smaller', 1, true) then return added end
    if finish_logged(ELO) then return nil end
    call('HDEL', STATE_KEY, 'fence') -- another vote has this number, and nobody knows which: the other stores are asked
    state[2] = false
    return { 'unverified' }
  end
  log_room, state[4] = log_room - 1, vote.seq
  won.rating, lost.rating = won.rating + points, lost.rating - points
  won.votes, lost.votes = won.votes + 1, lost.votes + 1
  voted_on[winner], voted_on[loser] = won, lost
  counted[#counted + 1] = vote
  outcomes[user .. ' ' .. pair] = outcome(state[1], vote)
  if still_open then opens[user] = still_open end
  return { 'ok', won.rating, lost.rating, points, tonumber(state[1]), vote.seq, now, 0, still_open and 1 or 0 }
end

local function write()
  -- Right behind the log, and by adding, not by setting: see verifier_close.lua.
  if state[9] then call('HINCRBY', STATE_KEY, 'counted', #counted) end
  count_logged(ELO, state[1], counted, voted_on)
  for user, open in pairs(opens) do call('HSET', companion(ELO, '@OPEN@') .. user, 'open', open) end
end

look()
local answers, counts = {}, {}
for at = FIRST, #ARGV, FIELDS do
  local before = #counted
  local answer = cast(unpack(ARGV, at, at + FIELDS - 1))
  if not answer then
    look()
    answer = cast(unpack(ARGV, at, at + FIELDS - 1)) or { 'unverified' }
  end
  answers[#answers + 1] = answer
  if #counted > before then counts[#counts + 1] = #answers end
end
if #counted > 0 then
  local written, fault = pcall(write)
  if not written then
    for _, at in ipairs(counts) do answers[at] = type(fault) == 'table' and fault or { err = fault } end
  end
end
return answers
