-- Closes a crucible to votes, for as long as its verifier needs to compare or rebuild it.
-- uses: companions marks lock logged
--
-- KEYS  1 {crucible:{id}:elo}:keeper  string, token of the verifier at work
--       2 {crucible:{id}:elo}:state   hash. The other companions, for a vote that has to be finished first, are reached by
--         its tag
-- ARGV  1 token   2 milliseconds that the verifier has until its next step
--       3 horizon: mark before which no row's change is news, because the verifier will show the rows as they are; '' for
--         none   4 the same where some of them may be, '' for none
-- Answer: { was it present (1), or absent or in the middle of a rebuild (0), epoch, seq, mark, votes of all epochs
--         before, votes that were counted (-1: nobody counted them) }; nothing if somebody else is at work
-- Guaranteed: no vote counts from now on, for votes need a fence and find none. A crucible that is absent becomes present,
--         so that rows which change from now on are shown and not lost. What was said before the horizon and comes from
--         now on is not shown, see row_state.lua. Who died in the midst of writing a vote into its file has not cast it.

if not locked(KEYS[1], ARGV[1], ARGV[2]) then return {} end
local present = redis.call('EXISTS', KEYS[2])
if present == 0 then redis.call('HSET', KEYS[2], 'epoch', 0, 'seq', 0, 'status', '', 'rebuilding', ARGV[1]) end
if present == 1 then finish_logged(string.match(KEYS[2], '^{(.+)}:')) end

-- A Redis that is killed while it writes votes into its file leaves a part of their transaction there. The next one
-- does not carry it out, but writes on behind it, and the one after that carries out what is whole of it, before all that
-- came since. That cannot be seen now. So the places of such votes, as many as one call may cast, are taken and given up:
-- then they are not in the log of the one after that either. What else they may have left there shows by the number of
-- counted votes, which is raised right behind their places in the log.
local numbers = redis.call('HMGET', KEYS[2], 'epoch', 'seq', 'rebuilding')
if tonumber(numbers[1] or 0) > 0 and not numbers[3] then
  local log = companion(string.match(KEYS[2], '^{(.+)}:'), LOG)
  local places = {}
  for at = 1, MAX_VOTES do places[at] = string.format('%s-%d', numbers[1], (numbers[2] or 0) + at) end
  redis.pcall('XADD', log, places[MAX_VOTES], 'cut', '') -- refused where it was taken before
  redis.call('XDEL', log, unpack(places))
end
-- Nor has anybody frozen it whose freeze was cut off; where there is no field, taking it away would not be written down.
if redis.call('HSETNX', KEYS[2], 'frozen', '') == 1 then redis.call('HDEL', KEYS[2], 'frozen') end
redis.call('HDEL', KEYS[2], 'fence', 'doubted')
-- A horizon ahead of the log's end, which somebody else has put there, would make every change one that is no news.
local known = ARGV[3] ~= '' and ARGV[3] or ARGV[4]
for _, name in ipairs({ 'horizon', 'unsure' }) do
  local held = redis.call('HGET', KEYS[2], name)
  if known ~= '' and held and (#held ~= MARK_CHARACTERS or held > known) then redis.call('HDEL', KEYS[2], name) end
end
for at, name in ipairs({ 'horizon', 'unsure' }) do
  if ARGV[at + 2] ~= '' then redis.call('HSET', KEYS[2], name, ARGV[at + 2]) end
end
if ARGV[3] ~= '' then redis.call('HDEL', KEYS[2], 'unsure') end
local state = redis.call('HMGET', KEYS[2], 'epoch', 'seq', 'mark', 'rebuilding', 'before', 'counted')
return {
  state[4] and 0 or 1, tonumber(state[1] or 0), tonumber(state[2] or 0), state[3] or '', tonumber(state[5] or 0),
  tonumber(state[6] or -1),
}
