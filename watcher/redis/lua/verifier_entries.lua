-- Shows entries as PostgreSQL has them, where Redis still shows what the verifier has read of it.
-- uses: companions marks changed_rows left lock
--
-- KEYS  1 {crucible:{id}:elo}:keeper   string, token of the verifier at work
--       2 crucible:{id}:elo            hash entry id -> rating; its companions in the same slot are reached by its tag
--       3 {crucible:{id}:elo}:entries  hash entry id -> mark .. row; the mark alone is one that is gone
-- ARGV  1 token   2 milliseconds that the verifier has until its next step
--       3 msgpack: list of { entry, what it has read ('' if nothing), what it is to be, rating or nil, votes or nil }
-- Answer: number of rows that changed, or -1 if somebody else is at work
-- Guaranteed: a row that has changed since it was read is newer than what the verifier knows, and stays. With a rating,
--         rating and votes are set too; without, they stay what they are. Those of an entry that is gone are then set
--         aside, and one that is back goes on where they left it, as in row_state.lua.

if not locked(KEYS[1], ARGV[1], ARGV[2]) then return -1 end

local elo, changed = KEYS[2], 0
for _, one in ipairs(cmsgpack.unpack(ARGV[3])) do
  local id, read, wanted, rating, votes = string.format('%.0f', one[1]), one[2], one[3], one[4], one[5]
  local shown = redis.call('HGET', KEYS[3], id) or ''
  if shown == read and shown ~= wanted then
    if #shown > MARK_CHARACTERS then left_behind(elo, id, shown, wanted) end
    redis.call('HSET', KEYS[3], id, wanted)
    shown = wanted
    changed = changed + 1
  end
  if rating then
    redis.call('HSET', elo, id, string.format('%.0f', rating))
    if votes > 0 then redis.call('HSET', companion(elo, VOTES), id, string.format('%.0f', votes)) end
  end
  if #shown <= MARK_CHARACTERS then
    set_aside(elo, id)
  elseif not rating and redis.call('HEXISTS', elo, id) == 0 then
    redis.call('HSET', elo, id, come_back(elo, id))
  end
end
return changed
