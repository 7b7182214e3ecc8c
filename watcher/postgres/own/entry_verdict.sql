-- write_verdicts --
-- What was decided, its log, what it was decided with, and by which rules: of crucibles of which none are noted, and of others
-- an end, or rules, that are not those noted. Where none are noted and entries have verdicts all the same, nobody knows by
-- which rules those were decided. A verdict is written only where something is another than it was, so that what stays the
-- same makes no change event. What a row was that is withdrawn is forgotten: it may be there again, and is decided anew.
WITH digests AS (
    INSERT INTO {schema}.entry_digest AS there (entry_id, digest)
    SELECT * FROM unnest(%(entries)s::int[], %(digests)s::bigint[])
    ON CONFLICT (entry_id) DO UPDATE SET digest = excluded.digest WHERE there.digest <> excluded.digest
), forgotten AS (
    DELETE FROM {schema}.entry_digest gone
     USING jsonb_to_recordset(%(verdicts)s::jsonb) AS one (entry_id int, verdict text)
     WHERE gone.entry_id = one.entry_id AND one.verdict = 'withdrawn'
), rules AS (
    INSERT INTO {schema}.entry_crucible AS there
                (crucible_id, status, rules_digest, first_end_ms, last_end_ms, interim_digest)
    SELECT one.crucible_id, one.status, one.digest, one.first_end_ms, one.last_end_ms,
           CASE WHEN known.crucible_id IS NULL
                     AND EXISTS (SELECT FROM {schema}.entry_verdict seen
                                  WHERE seen.crucible_id = one.crucible_id AND seen.verdict <> 'withdrawn')
                THEN {SEVERAL} END
      FROM jsonb_to_recordset(%(rules)s::jsonb)
           AS one (crucible_id int, status text, digest bigint, first_end_ms bigint, last_end_ms bigint)
      LEFT JOIN {schema}.entry_crucible known ON known.crucible_id = one.crucible_id
     WHERE known.crucible_id IS NULL OR one.first_end_ms < known.first_end_ms OR one.last_end_ms > known.last_end_ms
        OR coalesce(known.interim_digest, known.rules_digest) NOT IN (one.digest, {SEVERAL})
    ON CONFLICT (crucible_id) DO UPDATE
       SET first_end_ms = least(there.first_end_ms, excluded.first_end_ms),
           last_end_ms = greatest(there.last_end_ms, excluded.last_end_ms),
           interim_digest = CASE WHEN there.interim_digest <> excluded.rules_digest THEN {SEVERAL}
                                 WHEN there.rules_digest <> excluded.rules_digest THEN excluded.rules_digest
                                 ELSE there.interim_digest END
     WHERE excluded.first_end_ms < there.first_end_ms OR excluded.last_end_ms > there.last_end_ms
        OR coalesce(there.interim_digest, there.rules_digest) NOT IN (excluded.rules_digest, {SEVERAL})
), log AS (
    INSERT INTO {schema}.entry_decision (entry_id, made_by, verdict, reasons, facts)
    SELECT entry_id, %(by)s, verdict, reasons, facts
      FROM jsonb_to_recordset(%(verdicts)s::jsonb) AS one (entry_id int, verdict text, reasons text[], facts jsonb)
)
INSERT INTO {schema}.entry_verdict AS there
            (entry_id, crucible_id, user_id, image_id, verdict, reasons, enforced, fee, entered_at, waiting_since)
SELECT entry_id, crucible_id, user_id, image_id, verdict, reasons, enforced, fee,
       to_timestamp(entered_ms / 1000.0) AT TIME ZONE 'UTC', CASE WHEN verdict = 'waiting' THEN now() END
  FROM jsonb_to_recordset(%(verdicts)s::jsonb)
       AS one (entry_id int, crucible_id int, user_id int, image_id int, verdict text, reasons text[], enforced boolean,
               fee int, entered_ms bigint)
ON CONFLICT (entry_id) DO UPDATE
   SET crucible_id = excluded.crucible_id, user_id = excluded.user_id, image_id = excluded.image_id,
       verdict = excluded.verdict, reasons = excluded.reasons, enforced = excluded.enforced, fee = excluded.fee,
       entered_at = excluded.entered_at, decided_at = now(),
       waiting_since = CASE WHEN excluded.verdict = 'waiting' THEN coalesce(there.waiting_since, now()) END
 WHERE (there.verdict, there.reasons, there.enforced, there.fee, there.image_id, there.user_id, there.crucible_id,
        there.entered_at)
       IS DISTINCT FROM (excluded.verdict, excluded.reasons, excluded.enforced, excluded.fee, excluded.image_id,
                         excluded.user_id, excluded.crucible_id, excluded.entered_at)

-- ask_fees --
-- Fees that are asked for, and those that are given back unseen; one that was is left as it is, and a prefix is one
-- entry's.
INSERT INTO {schema}.entry_fee (entry_id, crucible_id, user_id, prefix, source, payment)
SELECT entry_id, crucible_id, user_id, prefix, source, payment
  FROM jsonb_to_recordset(%s::jsonb)
       AS one (entry_id int, crucible_id int, user_id int, prefix text, source text, payment text)
ON CONFLICT DO NOTHING
RETURNING entry_id

-- settle_fee --
-- What a fee came to.
UPDATE {schema}.entry_fee SET payment = %s, collected = %s, settled_at = now() WHERE entry_id = %s AND NOT returned
RETURNING crucible_id

-- collected_under --
-- What is known to have been collected under a prefix.
SELECT collected FROM {schema}.entry_fee WHERE prefix = %s

-- verdict_state --
-- How an entry stands now.
SELECT verdict FROM {schema}.entry_verdict WHERE entry_id = %s

-- waiting_age --
-- For metrics: how many wait, and for how long the oldest has.
SELECT count(*)::int, coalesce(extract(epoch FROM now() - min(waiting_since)), 0)::float8
  FROM {schema}.entry_verdict
 WHERE verdict = 'waiting'

-- take_part --
-- Which of some entries take part in a crucible, as far as it was decided: the row state that Redis is to have of them.
-- About one that was moved there it is decided anew.
SELECT entry_id, verdict = 'admitted' OR NOT enforced
  FROM {schema}.entry_verdict
 WHERE crucible_id = %s AND entry_id = ANY(%s)
