-- The Buffer table for writers of single votes, with the columns that the table behind it has now.

-- buffer crucible_entry_rating_buffer of crucible_entry_rating --
-- 16 layers; flushed after 10 to 100 seconds, 10,000 to 1,000,000 rows, 10 to 100 MB. A crash of the server loses what
-- it holds, and it cannot recognise a repeated insert.
CREATE TABLE IF NOT EXISTS @buffer @on_cluster AS crucible_entry_rating
ENGINE = Buffer('@database', crucible_entry_rating, 16, 10, 100, 10000, 1000000, 10000000, 100000000);
