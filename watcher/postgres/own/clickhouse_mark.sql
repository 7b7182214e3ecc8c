-- marked --
-- The last mark, and the last that ClickHouse has answered for; where the log ends, and as far as no crash takes it.
SELECT history, number, confirmed, (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint,
       (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint
  FROM {schema}.clickhouse_mark

-- count_mark --
-- The next mark, unless somebody has just set one. It is on the disk when this returns, whatever the site has set: after
-- a crash ClickHouse must not be ahead.
UPDATE {schema}.clickhouse_mark
   SET number = number + 1, confirmed = CASE WHEN history = %(history)s THEN confirmed ELSE 0 END,
       history = %(history)s, set_at = now()
 WHERE set_at IS NULL OR history <> %(history)s OR set_at NOT BETWEEN now() - make_interval(secs => %(every)s) AND now()
RETURNING number, set_config('synchronous_commit', 'on', true)

-- confirm_mark --
-- ClickHouse has it.
UPDATE {schema}.clickhouse_mark SET confirmed = greatest(confirmed, %(number)s) WHERE history = %(history)s

-- forget_mark --
-- ClickHouse has lost it, and what that means is noted.
UPDATE {schema}.clickhouse_mark SET confirmed = 0
