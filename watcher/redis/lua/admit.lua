-- Admits entries of one crucible to the pools and the standings, moves them to another pool, and takes them out.
-- uses: companions marks rows standings pools sight lifetime numbers
--
-- KEYS  1 crucible:{id}:elo             hash entry id -> rating
--       2 {crucible:{id}:elo}:state     hash; the crucible is present if and only if it is there
--       3 {crucible:{id}:elo}:entries   hash entry id -> mark .. row
--       4 {crucible:{id}:elo}:standings sorted set, score -rating, member created:id
--       5 {crucible:{id}:elo}:admitted  hash entry id -> level
--       and, in the same slot, reached by the tag: {crucible:{id}:elo}:pool:<level>  set of entry ids
--       {crucible:{id}:elo}:verdicts    hash entry id -> mark .. 1 if the entry takes part or 0
-- ARGV  1 msgpack: list of { entry, level (0: out with it), image }
--         A placement is about an image: if the entry has another by now, it says nothing.
--         nor of an entry that takes part no more: it is out, whatever its image
-- Answer: for each placement 'admitted', 'moved', 'removed', 'same' or 'unknown' (no such entry, or another image);
--         nothing at all if the crucible is absent.
-- Guaranteed: admissions, pools and standings agree. Doing it twice changes nothing. Of a crucible that has ended, all
--         that is written expires with it.

local elo = KEYS[1]
local left = seconds_left(KEYS[2])
if left == -2 then return {} end

local answers, verdicts = {}, companion(elo, VERDICTS)
for n, placement in ipairs(cmsgpack.unpack(ARGV[1])) do
  local id, level = string.format('%.0f', placement[1]), placement[2]
  local verdict = redis.call('HGET', verdicts, id)
  if verdict and string.sub(verdict, MARK_CHARACTERS + 1) == '0' then level = 0 end
  local _, image, created = entry_row(redis.call('HGET', KEYS[3], id) or '')
  local had = tonumber(redis.call('HGET', KEYS[5], id) or 0)
  local rating = whole(redis.call('HGET', elo, id))
  if not image or not rating or tonumber(image) ~= placement[3] then
    answers[n] = 'unknown'
  elseif had == level then
    answers[n] = 'same'
  elseif level == 0 then
    hide(elo, id, had, created)
    answers[n] = 'removed'
  else
    redis.call('SADD', pool(elo, level), id)
    if left > 0 then redis.call('EXPIRE', pool(elo, level), left) end
    redis.call('ZADD', KEYS[4], -rating, standing(created, id))
    if had > 0 then redis.call('SREM', pool(elo, had), id) end
    redis.call('HSET', KEYS[5], id, level) -- last, for by it is known what is done
    answers[n] = had == 0 and 'admitted' or 'moved'
  end
end
if left > 0 then
  redis.call('EXPIRE', KEYS[4], left)
  redis.call('EXPIRE', KEYS[5], left)
end
return answers
