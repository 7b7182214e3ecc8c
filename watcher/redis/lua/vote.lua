-- Casts a vote.
-- uses: logged
--
-- KEYS  1 crucible:{id}:elo             hash entry id -> rating
--       2 {crucible:{id}:elo}:state     hash; of it status, start, end, fence, epoch, seq, rebuilding,
--                                     frozen, counted
--       3 {crucible:{id}:elo}:entries   hash entry id -> mark .. row; the mark alone is one that is gone
--       4 {crucible:{id}:elo}:standings sorted set, score -rating, member created:id
--       5 {crucible:{id}:elo}:votes     hash entry id -> votes
--       6 {crucible:{id}:elo}:log       stream epoch-seq -> w l u t we le
--       7 {crucible:{id}:elo}:judges    set of user ids
--       8 {crucible:{id}:elo}:judged:{user}  hash lo:hi -> winner:epoch:seq:winner_elo:loser_elo:ms:winner_delta; and
--                                     packed, packed:<n> after a rebuild, see unpack.lua
--       9 {crucible:{id}:elo}:admitted  hash entry id -> level
--       10 {crucible:{id}:elo}:open:{user}  hash; of it open -> judged:skipped, then |left:right:level:expires of the pair
--                                     to judge now and of the one that follows it, as far as there are any
-- ARGV  1 fence: the identity of the Redis process that the caller is connected to
--       2 user id   3 entry id of the winner   4 entry id of the loser
--       5 '' or a refusal's code: then only a repeat is answered, anything else is refused with that code
--       6 votes that the log may hold
--       7 1: the vote is on a pair that was served, so it counts only if that is the one to judge now
-- Answer: { 'ok', winner_elo, loser_elo, winner_delta, epoch, seq, ms, repeated, 1 if pairs are open to the judge else 0 },
--         or { code of the refusal }
-- Guaranteed: everything that can refuse a vote is looked at before the first write, so it counts whole or not at all.
--         Votes on a crucible count one after the other, in the order of their numbers. A judge's pair counts once; its
--         repeat gets what the vote got, also after the crucible's end or its freeze. The clock is Redis' own. A judge of
--         whom no open pairs are known, because they were lost, is taken at the word of the token.

local call = redis.call -- looked up once, for a vote calls it a dozen times
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

local user, winner, loser = ARGV[2], ARGV[3], ARGV[4]

if winner == loser then return { 'same_entry' } end

-- Returns the answer; nothing if another vote had to be finished first.
local function cast()
  local state = call('HMGET', KEYS[2], 'epoch', 'fence', 'rebuilding', 'seq', 'status', 'start', 'end', 'frozen', 'counted')
  if not state[1] then return { 'absent' } end
  if state[2] ~= ARGV[1] or state[3] then return { 'unverified' } end

  local pair = tonumber(winner) < tonumber(loser) and winner .. ':' .. loser or loser .. ':' .. winner
  local said = call('HMGET', KEYS[8], pair, 'packed')
  local judged, blocks = said[1], said[2]
  local opened = ARGV[7] == '1' and call('HGET', KEYS[10], 'open')
  if not judged and blocks then -- a rebuild has packed outcomes, maybe the pair's
    local block = call('HGET', KEYS[8], 'packed:' .. (winner + loser) % blocks)
    judged = block and string.match(block, ' ' .. pair .. '=(%S+)')
  end
  if judged then
    local to, epoch, seq, winner_elo, loser_elo, ms, points =
      string.match(judged, '^(%d+):(%d+):(%d+):(-?%d+):(-?%d+):(%d+):?(%d*)$')
    if to ~= winner then return { 'judged_otherwise' } end
    winner_elo, loser_elo = tonumber(winner_elo), tonumber(loser_elo)
    points = tonumber(points) or gained(winner_elo, loser_elo)
    return { 'ok', winner_elo, loser_elo, points, tonumber(epoch), tonumber(seq), tonumber(ms), 1, opened and 1 or 0 }
  end
  if ARGV[5] ~= '' then return { ARGV[5] } end

  if state[5] ~= 'Active' then return { 'not_active' } end
  if state[8] then return { 'frozen' } end
  local time = call('TIME')
  local ms = time[1] .. string.sub('00000' .. time[2], -6, -4)
  local now = tonumber(ms)
  local starts, ends = tonumber(state[6]), tonumber(state[7]) -- nil when there is none
  if starts and now < starts then return { 'not_started' } end
  if ends and now > ends then return { 'ended' } end

  local still_open
  if opened then
    local done, skipped, left, right, rest = string.match(opened, '^(%d+):(%d+)|(%d+):(%d+):[^|]*(.*)$')
    if not (left == winner and right == loser or left == loser and right == winner) then
      left, right = string.match(rest or '', '^|(%d+):(%d+):')
      local follows = left == winner and right == loser or left == loser and right == winner
      return { follows and 'pair_token_early' or 'pair_token_stale' }
    end
    still_open = string.format('%d:%s%s', done + 1, skipped, rest)
  end

  local rows = call('HMGET', KEYS[3], winner, loser)
  local winners, _, winner_created = entry_row(rows[1] or '')
  local losers, _, loser_created = entry_row(rows[2] or '')
  if not (winners and losers) then return { 'unknown_entry' } end
  local admitted = call('HMGET', KEYS[9], winner, loser)
  if not (admitted[1] and admitted[2]) then return { 'not_admitted' } end
  if winners == user or losers == user then return { 'own_entry' } end
  if call('XLEN', KEYS[6]) >= tonumber(ARGV[6]) then return { 'backlog' } end

  local ratings = call('HMGET', KEYS[1], winner, loser)
  local winner_elo, loser_elo = tonumber(ratings[1]) or BASE, tonumber(ratings[2]) or BASE
  local points = gain(winner_elo - loser_elo)
  winner_elo, loser_elo = winner_elo + points, loser_elo - points
  local epoch, seq = state[1], string.format('%d', state[4] + 1)
  local vote = {
    w = winner, l = loser, u = user, t = ms, we = string.format('%d', winner_elo), le = string.format('%d', loser_elo)
  }

  -- The log comes first: should Redis refuse to write (memory, disk, a right that is missing), it refuses here, or what
  -- is written is known by it, and finished by whoever comes next.
  local added = redis.pcall(
    'XADD', KEYS[6], epoch .. '-' .. seq, 'w', winner, 'l', loser, 'u', user, 't', ms, 'we', vote.we, 'le', vote.le
  )
  if type(added) == 'table' then
    if not string.find(added.err, 'equal or smaller', 1, true) then return added end
    if finish_logged(KEYS[1]) then return nil end
    call('HDEL', KEYS[2], 'fence') -- another vote has this number, and nobody knows which: the other stores are asked
    return { 'unverified' }
  end
  -- Right behind it, and by adding, not by setting: see verifier_close.lua.
  if state[9] then call('HINCRBY', KEYS[2], 'counted', 1) end
  count_logged(KEYS, epoch, seq, vote, pair, points, winner_created, loser_created)
  if still_open then call('HSET', KEYS[10], 'open', still_open) end

  return { 'ok', winner_elo, loser_elo, points, tonumber(epoch), tonumber(seq), now, 0, still_open and 1 or 0 }
end

return cast() or cast()
