-- ping --
-- Whether somebody answers.
SELECT 1

-- backend --
-- Which of the server's processes answers: not the one that we have connected to, where a pooler stands between.
SELECT pg_backend_pid()

-- lock --
-- Held until the end of the transaction; its name becomes a number of 64 bits.
SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))

-- refuse_writes --
-- First in its transaction: whatever follows may read only.
SET TRANSACTION READ ONLY
