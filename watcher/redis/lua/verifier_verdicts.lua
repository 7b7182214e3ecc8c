-- Shows whether entries take part as PostgreSQL has it, where Redis still shows what the verifier has read of it.
-- uses: lock
--
-- KEYS  1 {crucible:{id}:elo}:keeper    string, token of the verifier at work
--       2 {crucible:{id}:elo}:verdicts  hash entry id -> mark .. 1 if the entry takes part or 0
-- ARGV  1 token   2 milliseconds that the verifier has until its next step
--       3 msgpack: list of { entry, what it has read ('' if nothing), what it is to be }
-- Answer: 1, or 0 if somebody else is at work
-- Guaranteed: a verdict that has changed since it was read is newer than what the verifier knows, and stays.

if not locked(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
for _, one in ipairs(cmsgpack.unpack(ARGV[3])) do
  local id, read, wanted = string.format('%.0f', one[1]), one[2], one[3]
  if (redis.call('HGET', KEYS[2], id) or '') == read then redis.call('HSET', KEYS[2], id, wanted) end
end
return 1
