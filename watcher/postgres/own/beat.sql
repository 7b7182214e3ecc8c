-- standing --
-- Where the log ends that is written out, beyond which nobody can have read; and the last beat.
SELECT (pg_current_wal_lsn() - '0/0')::bigint, number, written
  FROM (SELECT) one LEFT JOIN {schema}.beat ON id = 1

-- write --
-- Numbers have no gaps, for only what is committed has one; and a clock that is set back makes no beat earlier than another.
INSERT INTO {schema}.beat AS there (id, number, written)
VALUES (1, 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
ON CONFLICT (id) DO UPDATE
   SET number = there.number + 1, written = greatest(excluded.written, there.written + 1)
 WHERE excluded.written - there.written NOT BETWEEN 0 AND %s
RETURNING number, written

-- end_of_log --
-- Asked by itself where the watcher has no tables yet.
SELECT (pg_current_wal_lsn() - '0/0')::bigint
