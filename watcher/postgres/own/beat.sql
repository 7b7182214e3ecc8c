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

-- unpublished --
-- Beside the beat, in the publications that have it: how a site names its publication is no concern of ours.
WITH published AS MATERIALIZED (
    SELECT pubname, schemaname || '.' || tablename AS published FROM pg_publication_tables
), ours AS (
    SELECT pubname FROM published WHERE published = %s || '.beat'
)
SELECT split_part(watched, '.', 2)
  FROM unnest(%s::text[]) watched
 WHERE EXISTS (SELECT FROM ours)
   AND watched NOT IN (SELECT published FROM published JOIN ours USING (pubname))
   AND to_regclass(format('%%I.%%I', split_part(watched, '.', 1), split_part(watched, '.', 2))) IS NOT NULL
 ORDER BY 1

-- end_of_log --
-- Asked by itself where the watcher has no tables yet.
SELECT (pg_current_wal_lsn() - '0/0')::bigint
