-- fragment end --
-- When a crucible ends, without time zone, in UTC; NULL: never.
CASE WHEN isfinite(crucible."endAt") THEN crucible."endAt" END

-- fragment is_over --
-- Whether its end has come. The database's clock decides, because it is one clock, whichever process asks.
coalesce(crucible."endAt" <= now() AT TIME ZONE 'UTC', false)

-- fragment about_crucible --
-- Which crucible a row of the outbox is about, as an index has it.
coalesce(payload ->> 'crucible', payload ->> 'crucible_id')::integer

-- fragment settlement_columns --
-- What is needed to go on with an ending, in the order of `Settlement`.
settlement.crucible_id, settlement.state, settlement.name, settlement.creator_id, settlement.setup_prefix,
settlement.attempts, settlement.frozen_at, settlement.digest, settlement.votes,
coalesce(extract(epoch FROM now() - settlement.frozen_at), 0)::float8, settlement.claimed_by

-- note_crucibles --
-- Every crucible that has an end to come gets a row, and its row says what the crucible's does. One that was cancelled is
-- one of ours if it was active under our eyes, or was set up for a fee since we are here: what became of others before we
-- came is no business of ours. Rows that are right are left alone, for a conflict locks what it does not change.
WITH begun AS (
    INSERT INTO {schema}.settling_since DEFAULT VALUES ON CONFLICT DO NOTHING
)
INSERT INTO {schema}.settlement AS there (crucible_id, name, creator_id, setup_prefix, due_at)
SELECT crucible.id, crucible.name, crucible."userId", crucible."buzzTransactionId", {end}
  FROM public."Crucible" crucible
  LEFT JOIN {schema}.settlement known ON known.crucible_id = crucible.id
 WHERE crucible.status = 'Active'
       AND (known.crucible_id IS NULL
            OR known.state = 'due'
               AND (known.name, known.creator_id, known.setup_prefix, known.due_at)
                   IS DISTINCT FROM (crucible.name, crucible."userId", crucible."buzzTransactionId", {end}))
    OR crucible.status = 'Cancelled' AND known.crucible_id IS NULL
       AND (EXISTS (SELECT FROM {schema}.entry_crucible seen WHERE seen.crucible_id = crucible.id)
            OR crucible."buzzTransactionId" <> ''
               AND crucible."createdAt" >= (SELECT since AT TIME ZONE 'UTC' FROM {schema}.settling_since))
ON CONFLICT (crucible_id) DO UPDATE
   SET name = excluded.name, creator_id = excluded.creator_id, setup_prefix = excluded.setup_prefix,
       due_at = excluded.due_at
 WHERE there.state = 'due'

-- left_crucibles_are_noted --
-- Whether the site's database notes crucibles whose rows go (debezium/postgres/payments.sql).
SELECT to_regclass(quote_ident(%s) || '.left_crucible') IS NOT NULL

-- note_left_crucibles --
-- Crucibles that were set up for a fee since we are here, and whose rows went before anybody looked: the fee goes back as
-- that of any crucible that is deleted. Those that are known are seen to by their own row.
WITH gone AS (
    DELETE FROM {schema}.left_crucible note
     WHERE NOT EXISTS (SELECT FROM public."Crucible" crucible WHERE crucible.id = note.crucible_id)
    RETURNING crucible_id, name, user_id, prefix, created_at
)
INSERT INTO {schema}.settlement (crucible_id, name, creator_id, setup_prefix)
SELECT crucible_id, name, user_id, prefix
  FROM gone
 WHERE created_at >= (SELECT since AT TIME ZONE 'UTC' FROM {schema}.settling_since)
ON CONFLICT (crucible_id) DO NOTHING

-- next_due --
-- Seconds until the next end that is known, 0 or less if it has come; NULL if none is to come.
SELECT extract(epoch FROM min({end}) - now() AT TIME ZONE 'UTC')::float8
  FROM {schema}.settlement
  JOIN public."Crucible" crucible ON crucible.id = settlement.crucible_id AND crucible.status = 'Active'
 WHERE settlement.state = 'due'

-- claim --
-- An ending that is to go on, nobody else's for as long as the lease: the one that has waited longest, or the one that is
-- named. A claim or a wait that lies further ahead than one can be made is of a clock that was set back, and is none.
WITH one AS (
    SELECT settlement.crucible_id
      FROM {schema}.settlement
      LEFT JOIN public."Crucible" crucible ON crucible.id = settlement.crucible_id
     WHERE settlement.state NOT IN ('done', 'cancelled', 'parked')
       AND (%(crucible)s::int IS NULL OR settlement.crucible_id = %(crucible)s)
       AND (settlement.claimed_until IS NULL OR settlement.claimed_by = %(owner)s
            OR settlement.claimed_until NOT BETWEEN now() AND now() + make_interval(secs => 2 * %(lease)s))
       AND (%(crucible)s::int IS NOT NULL
            OR settlement.next_at NOT BETWEEN now() AND now() + make_interval(secs => 2 * %(longest_wait)s))
       AND (settlement.state <> 'due' OR crucible.id IS NULL OR crucible.status IN ('Completed', 'Cancelled')
            OR crucible.status = 'Active' AND {is_over})
     ORDER BY settlement.next_at, settlement.crucible_id
     LIMIT 1
       FOR UPDATE OF settlement SKIP LOCKED
)
UPDATE {schema}.settlement
   SET claimed_by = %(owner)s, claimed_until = now() + make_interval(secs => %(lease)s)
  FROM one
 WHERE settlement.crucible_id = one.crucible_id
RETURNING {settlement_columns}

-- load --
-- One ending as it is now.
SELECT {settlement_columns} FROM {schema}.settlement WHERE settlement.crucible_id = %s

-- crucible_now --
-- What the crucible's row says, which decides how its ending goes on.
SELECT crucible.status::text, {is_over} FROM public."Crucible" crucible WHERE crucible.id = %s

-- move --
-- From one state to the next, if it is still in that one and proven as it was; the lease begins anew. Whose it is does not
-- matter: a step that outlasts its lease is not for nothing, if nobody was faster. What it came to is written with it;
-- NULL leaves what is there.
UPDATE {schema}.settlement
   SET state = %(to)s, changed_at = now(), next_at = now(), attempts = 0, error = NULL,
       claimed_by = %(owner)s, claimed_until = now() + make_interval(secs => %(lease)s),
       parked_from = CASE WHEN %(to)s = 'parked' THEN state END, reason = %(reason)s,
       frozen_at = coalesce(frozen_at, CASE WHEN %(to)s = 'frozen' THEN now() END),
       epoch = coalesce(%(epoch)s, epoch), seq = coalesce(%(seq)s, seq),
       digest = coalesce(%(digest)s, digest), votes = coalesce(%(votes)s, votes),
       settled_at = CASE WHEN %(to)s = 'ranked' THEN now() ELSE settled_at END,
       entries = coalesce(%(entries)s, entries), placed = coalesce(%(placed)s, placed),
       pool = coalesce(%(pool)s, pool), paid = coalesce(%(paid)s, paid),
       remainder = coalesce(%(remainder)s, remainder), payouts = coalesce(%(payouts)s, payouts),
       refunded = coalesce(%(refunded)s, refunded),
       competitors = CASE WHEN %(to)s NOT IN ('ranked', 'refunding') THEN competitors END
 WHERE crucible_id = %(crucible)s AND state = %(from)s AND digest IS NOT DISTINCT FROM %(proof)s
RETURNING {settlement_columns}

-- add_step --
-- The log of changes, in the same transaction.
INSERT INTO {schema}.settlement_step (crucible_id, made_by, state, details) VALUES (%s, %s, %s, %s::jsonb)

-- release --
-- Nobody's any more, and to be looked at again after a while.
UPDATE {schema}.settlement
   SET claimed_by = NULL, claimed_until = NULL, next_at = now() + make_interval(secs => %(wait)s),
       attempts = CASE WHEN %(error)s::text IS NULL THEN 0 ELSE attempts + 1 END, error = %(error)s
 WHERE crucible_id = %(crucible)s AND claimed_by = %(owner)s

-- pool --
-- Buzz that was collected for entries that take part and is not to be given back. Where verdicts keep nobody out, nothing
-- was asked of the books: then it is the fee of each entry.
SELECT CASE WHEN %(observe)s
            THEN (SELECT count(*) FROM public."CrucibleEntry" WHERE "crucibleId" = %(crucible)s) * %(fee)s::bigint
            ELSE (SELECT coalesce(sum(fee), 0) FROM {schema}.entry_verdict WHERE crucible_id = %(crucible)s)::bigint
       END

-- write_prizes --
-- Who gets how much.
INSERT INTO {schema}.settlement_prize (crucible_id, position, entry_id, user_id, amount)
SELECT %s, position, entry_id, user_id, amount
  FROM jsonb_to_recordset(%s::jsonb) AS one (position int, entry_id int, user_id int, amount bigint)

-- end_entries --
-- Entries that vanish from now on are not withdrawn: they are in the result.
UPDATE {schema}.entry_crucible SET status = 'Completed' WHERE crucible_id = %s

-- undecided_entries --
-- A page of a crucible's entries about which nothing was decided, or when they were in another one; from one on.
SELECT entry.id
  FROM public."CrucibleEntry" entry
 WHERE entry."crucibleId" = %(crucible)s AND entry.id > %(after)s
   AND NOT EXISTS (SELECT FROM {schema}.entry_verdict seen
                    WHERE seen.entry_id = entry.id AND seen.crucible_id = entry."crucibleId")
 ORDER BY entry.id
 LIMIT %(most)s

-- fees_under_way --
-- Entries whose fee is being taken.
SELECT count(*)::int FROM {schema}.entry_verdict
 WHERE crucible_id = %s AND verdict = 'waiting' AND 'fee_pending' = ANY (reasons)

-- unfinished --
-- Whether anything is still to be done outside about a crucible, on a channel.
SELECT EXISTS (
    SELECT FROM {schema}.outbox
     WHERE {about_crucible} = %s AND channel = %s AND state <> 'done'
)

-- refunds --
-- What went back because a crucible was cancelled or is gone. Of entries that were withdrawn nothing is told but when:
-- they count from when the crucible was found to be gone, less what that may have taken. What went back by an attempt
-- whose answer was lost is not in the answer to the next one, but went back all the same.
SELECT (payload ->> 'user')::int, (payload ->> 'entry')::int, (result ->> 'taken')::bigint
  FROM {schema}.outbox
 WHERE channel = 'buzz' AND kind = 'refund' AND state = 'done' AND {about_crucible} = %(crucible)s
   AND (result ->> 'taken')::bigint > 0
   AND (payload -> 'reasons' ?| ARRAY['crucible_not_active', 'crucible_unknown', 'setup']
        OR payload -> 'reasons' = '[]' AND %(gone)s
           AND created_at > (SELECT min(made_at) FROM {schema}.settlement_step
                              WHERE crucible_id = %(crucible)s AND state = 'refunding') - interval '1 minute')
 ORDER BY id

-- count_entries_of --
-- Entries of a crucible about which something was decided.
SELECT count(*)::int FROM {schema}.entry_verdict WHERE crucible_id = %s

-- retry --
-- A parked ending goes back to where it came from; one that has no result yet begins with its votes again, for what was
-- mended may be among them.
UPDATE {schema}.settlement
   SET state = CASE WHEN parked_from IN ('drained', 'proven') THEN 'frozen' ELSE parked_from END, parked_from = NULL, reason = NULL, next_at = now(), attempts = 0, error = NULL,
       claimed_by = NULL, claimed_until = NULL, changed_at = now()
 WHERE crucible_id = %s AND state = 'parked'
RETURNING state

-- cancel --
-- Before the result there is none yet, and everything goes back.
UPDATE {schema}.settlement
   SET state = 'refunding', parked_from = NULL, reason = NULL, next_at = now(), attempts = 0, error = NULL,
       claimed_by = NULL, claimed_until = NULL, changed_at = now(), competitors = NULL
 WHERE crucible_id = %s AND coalesce(parked_from, state) IN ('due', 'frozen', 'drained', 'proven')
RETURNING state

-- list_settlements --
-- For people: what is parked first, then what is under way, then what is to come, then what is over, the latest first.
SELECT settlement.crucible_id, settlement.state, settlement.name, settlement.due_at, settlement.changed_at,
       settlement.frozen_at, settlement.settled_at, settlement.entries, settlement.pool, settlement.paid,
       settlement.remainder, settlement.refunded, settlement.reason, settlement.error
  FROM {schema}.settlement
 WHERE %(state)s::text IS NULL OR settlement.state = %(state)s
 ORDER BY CASE settlement.state WHEN 'parked' THEN 0 WHEN 'due' THEN 2 WHEN 'done' THEN 3 WHEN 'cancelled' THEN 3 ELSE 1 END,
          CASE settlement.state WHEN 'due' THEN settlement.due_at END, settlement.changed_at DESC, settlement.crucible_id
 LIMIT %(most)s

-- show_settlement --
-- Everything of one.
SELECT settlement.crucible_id, settlement.state, settlement.name, settlement.creator_id, settlement.setup_prefix,
       settlement.due_at, settlement.parked_from, settlement.reason, settlement.next_at, settlement.attempts,
       settlement.error, settlement.claimed_by, settlement.claimed_until, settlement.changed_at, settlement.frozen_at,
       settlement.epoch, settlement.seq, settlement.digest, settlement.votes, settlement.settled_at,
       settlement.entries, settlement.placed, settlement.pool, settlement.paid, settlement.remainder,
       settlement.payouts, settlement.refunded
  FROM {schema}.settlement
 WHERE settlement.crucible_id = %s

-- steps_of --
-- Every change of its state, oldest first.
SELECT made_at, made_by, state, details FROM {schema}.settlement_step WHERE crucible_id = %s ORDER BY id

-- prizes_of --
-- Prizes with how their payment stands; NULL of the latter: it is not ours to pay.
SELECT prize.position, prize.entry_id, prize.user_id, prize.amount, paying.state, paying.error
  FROM {schema}.settlement_prize prize
  LEFT JOIN {schema}.outbox paying ON paying.key = 'crucible-prize-' || prize.crucible_id || '-' || prize.entry_id
 WHERE prize.crucible_id = %s
 ORDER BY prize.position

-- unfinished_rows --
-- What is still to be done outside, by channel and state.
SELECT channel, state, count(*)::int
  FROM {schema}.outbox
 WHERE {about_crucible} = %s AND state <> 'done'
 GROUP BY 1, 2
 ORDER BY 1, 2

-- count_settlements --
-- For metrics: how many there are in each state, and how long ago the oldest of them came to it; of those that are due,
-- since when they are.
SELECT settlement.state, count(*)::int,
       coalesce(extract(epoch FROM now() - min(
           CASE settlement.state WHEN 'due' THEN greatest(settlement.due_at AT TIME ZONE 'UTC', settlement.next_at)
                                 ELSE settlement.changed_at END)), 0)::float8
  FROM {schema}.settlement
  LEFT JOIN public."Crucible" crucible ON crucible.id = settlement.crucible_id
 WHERE settlement.state NOT IN ('done', 'cancelled') AND (settlement.state <> 'due' OR {is_over})
 GROUP BY 1
