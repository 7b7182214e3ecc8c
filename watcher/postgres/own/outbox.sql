-- put_rows --
-- In the transaction of what is announced. A key that is there already is the same row.
INSERT INTO {schema}.outbox (channel, kind, subject, key, payload)
SELECT * FROM jsonb_to_recordset(%s::jsonb) AS one (channel text, kind text, subject text, key text, payload jsonb)
ON CONFLICT (key) DO NOTHING

-- take_rows --
-- Rows that are due, each the oldest of its subject that is not done, and nobody else's. What their state was before is
-- returned: it says whether they may have been sent already. The lock makes two who take at once share them out. A wait or
-- a claim that lies further ahead than one can be made is of a clock that was set back, and is none.
WITH due AS (
    SELECT id, state
      FROM {schema}.outbox o
     WHERE channel = %(channel)s
       AND (state IN ('pending', 'unknown')
            AND (next_at <= now() OR next_at > now() + make_interval(secs => 2 * %(longest_wait)s))
            OR state = 'sending'
            AND (claimed_until <= now() OR claimed_until > now() + make_interval(secs => 2 * %(lease)s)))
       AND NOT EXISTS (
               SELECT FROM {schema}.outbox older
                WHERE older.subject = o.subject AND older.id < o.id AND older.state <> 'done'
           )
     ORDER BY next_at, id
     LIMIT %(most)s
       FOR UPDATE SKIP LOCKED
)
UPDATE {schema}.outbox o
   SET state = 'sending', attempts = attempts + 1, claimed_by = %(owner)s,
       claimed_until = now() + make_interval(secs => %(lease)s)
  FROM due
 WHERE o.id = due.id
RETURNING o.id, o.channel, o.kind, o.subject, o.key, o.payload, due.state, o.attempts

-- finish_row --
-- Only by who took it: whoever took too long finds the row somebody else's, and its own answer is looked up by that one.
UPDATE {schema}.outbox
   SET state = %s, next_at = now() + make_interval(secs => %s), error = %s, result = coalesce(%s::jsonb, result),
       done_at = CASE WHEN %s THEN now() END, claimed_by = NULL, claimed_until = NULL
 WHERE id = %s AND state = 'sending' AND claimed_by = %s AND attempts = %s
RETURNING id

-- next_due --
-- Seconds until there is something to take, so that nobody asks before; NULL while nothing waits.
SELECT extract(epoch FROM min(CASE state WHEN 'sending' THEN claimed_until ELSE next_at END) - now())::float8
  FROM {schema}.outbox
 WHERE channel = %s AND state IN ('pending', 'sending', 'unknown')

-- count_rows --
-- For metrics: how many there are in each state that is not the end, and how old the oldest is.
SELECT channel, state, count(*)::int, extract(epoch FROM now() - min(created_at))::float8
  FROM {schema}.outbox
 WHERE state <> 'done'
 GROUP BY channel, state

-- list_rows --
-- For people, oldest first. NULL of a filter: all.
SELECT id, channel, kind, subject, key, state, attempts, error, created_at, next_at
  FROM {schema}.outbox
 WHERE (%s::text IS NULL OR state = %s) AND (%s::text IS NULL OR channel = %s) AND (%s::text IS NULL OR subject = %s)
 ORDER BY id
 LIMIT %s

-- show_row --
-- Everything of one.
SELECT id, channel, kind, subject, key, payload, state, attempts, error, result, created_at, next_at, claimed_by,
       claimed_until, done_at
  FROM {schema}.outbox
 WHERE id = %s

-- redrive_rows --
-- Parked rows whose cause was mended go on as rows that may have been sent: they are looked up first.
UPDATE {schema}.outbox
   SET state = 'unknown', attempts = 0, next_at = now(), error = NULL
 WHERE state = 'parked' AND (%s::bigint IS NULL OR id = %s) AND (%s::text IS NULL OR channel = %s)
RETURNING id
