-- Gives a verifier more time.
-- uses: lock
--
-- KEYS  1 {crucible:{id}:elo}:keeper  string, token of the verifier at work
-- ARGV  1 token   2 milliseconds that the verifier has until its next step
-- Answer: 1, or 0 if somebody else is at work
-- Guaranteed: a lock that has expired or is another's stays so.

return locked(KEYS[1], ARGV[1], ARGV[2]) and 1 or 0
