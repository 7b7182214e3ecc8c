-- fragment fact_columns --
-- Everything that decides about "entry", but for its crucible and the places taken there: the image with its resources,
-- the fee, the verdict so far, and who came before. One that holds a place counts those before it; one that does not, all.
    entry.id              AS entry_id,
    entry."userId"        AS user_id,
    entry."imageId"       AS image_id,
    (extract(epoch FROM entry."createdAt") * 1000)::bigint AS created_ms,
    -- What was paid for one entry is not paid for another.
    CASE WHEN NOT EXISTS (
        SELECT FROM {schema}.entry_fee one
         WHERE one.prefix = entry."buzzTransactionId" AND one.entry_id <> entry.id
    ) THEN entry."buzzTransactionId" END AS site_prefix,
    image."userId"        AS owner_id,
    image."nsfwLevel"     AS image_level,
    image.ingestion::text AS ingestion,
    image.type::text      AS image_type,
    image."blockedFor"    AS blocked_for,
    ARRAY(
        SELECT used."modelVersionId" FROM public."ImageResourceNew" used WHERE used."imageId" = entry."imageId"
    )                     AS resources,
    fee.prefix,
    fee.source,
    fee.payment,
    fee.collected,
    seen.verdict,
    seen.reasons,
    nullif(seen.image_id, entry."imageId") AS image_before,
    nullif(seen.crucible_id, entry."crucibleId") AS crucible_before,
    nullif(seen.user_id, entry."userId") AS user_before,
    seen.enforced,
    (SELECT count(*) FROM {schema}.entry_verdict one
      WHERE one.crucible_id = entry."crucibleId" AND one.user_id = entry."userId" AND one.entry_id <> entry.id
        AND one.verdict IN ('waiting', 'admitted')
        AND (coalesce(seen.verdict NOT IN ('waiting', 'admitted'), true)
             OR (one.entered_at, one.entry_id) < (entry."createdAt", entry.id))) AS earlier_of_user,
    (SELECT count(*) FROM {schema}.entry_verdict one
      WHERE one.crucible_id = entry."crucibleId" AND one.image_id = entry."imageId" AND one.entry_id <> entry.id
        AND one.verdict IN ('waiting', 'admitted')
        AND (coalesce(seen.verdict NOT IN ('waiting', 'admitted'), true)
             OR (one.entered_at, one.entry_id) < (entry."createdAt", entry.id))) AS earlier_of_image

-- fragment facts_digest --
-- One number for everything of "entry" and "image" that decides, so that a sweep finds what has changed without reading it.
hashtextextended(ROW(
    entry."crucibleId", entry."userId", entry."imageId", extract(epoch FROM entry."createdAt"), entry."buzzTransactionId",
    image."userId", image."nsfwLevel", image.ingestion, image.type, image."blockedFor",
    (SELECT string_agg(used."modelVersionId"::text, ',' ORDER BY used."modelVersionId")
       FROM public."ImageResourceNew" used WHERE used."imageId" = entry."imageId")
)::text, 0)

-- fragment rule_columns --
-- What "crucible" says of entering it; infinity is no end. Once there is a result it is Completed, whatever its row says.
    CASE WHEN EXISTS (SELECT FROM {schema}.settlement
                       WHERE settlement.crucible_id = crucible.id AND settlement.settled_at IS NOT NULL)
         THEN 'Completed' ELSE crucible.status::text END,
    crucible."nsfwLevel" AS level,
    CASE WHEN isfinite(crucible."startAt") THEN (extract(epoch FROM crucible."startAt") * 1000)::bigint END AS start_ms,
    CASE WHEN isfinite(crucible."endAt") THEN (extract(epoch FROM crucible."endAt") * 1000)::bigint END AS end_ms,
    crucible."entryFee"  AS entry_fee,
    crucible."entryLimit" AS entry_limit,
    crucible."maxTotalEntries" AS max_total_entries,
    crucible."allowedResources"::text AS allowed_resources

-- lock_crucibles --
-- Nobody else decides about the crucibles of these entries, as their rows and as their verdicts have them, until the end
-- of the transaction. In ascending order: two who lock several would wait for each other in another one.
SELECT crucible_id, pg_advisory_xact_lock(hashtextextended(%(prefix)s || crucible_id, 0))::text
  FROM (SELECT "crucibleId" AS crucible_id FROM public."CrucibleEntry" WHERE id = ANY(%(entries)s)
        UNION
        SELECT seen.crucible_id FROM {schema}.entry_verdict seen WHERE seen.entry_id = ANY(%(entries)s)
        ORDER BY 1
        OFFSET 0) told

-- entry_facts --
-- Some entries with all that decides about them, in their crucibles' order; unless all of them are asked for, only those
-- about which nothing was decided, or with something else in mind.
WITH taken AS MATERIALIZED (
    SELECT one.crucible_id, count(*)::int AS places
      FROM {schema}.entry_verdict one
      JOIN public."Crucible" crucible ON crucible.id = one.crucible_id AND crucible."maxTotalEntries" IS NOT NULL
     WHERE one.crucible_id = ANY(%(crucibles)s) AND one.verdict IN ('waiting', 'admitted')
     GROUP BY 1
)
SELECT
    crucible.id AS crucible_id,
    now.digest AS facts_digest,
{rule_columns},
{fact_columns},
    CASE WHEN crucible."maxTotalEntries" IS NULL THEN 0
         WHEN coalesce(seen.verdict NOT IN ('waiting', 'admitted'), true)
         THEN coalesce((SELECT taken.places FROM taken WHERE taken.crucible_id = crucible.id), 0)
         ELSE (SELECT count(*) FROM {schema}.entry_verdict one
                WHERE one.crucible_id = crucible.id AND one.verdict IN ('waiting', 'admitted')
                  AND (one.entered_at, one.entry_id) < (entry."createdAt", entry.id))
    END AS earlier_in_all
FROM public."CrucibleEntry" entry
JOIN public."Crucible" crucible ON crucible.id = entry."crucibleId"
LEFT JOIN public."Image" image ON image.id = entry."imageId"
LEFT JOIN {schema}.entry_verdict seen ON seen.entry_id = entry.id
LEFT JOIN {schema}.entry_fee fee ON fee.entry_id = entry.id
LEFT JOIN {schema}.entry_digest known ON known.entry_id = entry.id
CROSS JOIN LATERAL (SELECT {facts_digest} AS digest) now
WHERE entry.id = ANY(%(entries)s) AND entry."crucibleId" = ANY(%(crucibles)s)
  AND (%(again)s OR seen.entry_id IS NULL OR known.digest IS DISTINCT FROM now.digest)
ORDER BY entry."crucibleId", entry."createdAt", entry.id

-- crucibles_to_decide --
-- Crucibles whose entries may lack a verdict or get another one, with the rules that theirs were decided by. Those that
-- are over, or gone, are looked at once more, unless they ended before anybody decided about their entries.
SELECT
    coalesce(crucible.id, known.crucible_id),
    known.rules_digest,
    crucible.id IS NOT NULL AS there,
{rule_columns}
FROM public."Crucible" crucible
FULL JOIN {schema}.entry_crucible known ON known.crucible_id = crucible.id
WHERE (crucible.status = 'Active'
       OR crucible.status IN ('Completed', 'Cancelled') AND known.status <> crucible.status::text
       OR crucible.id IS NULL AND known.status NOT IN ('Completed', 'gone'))
  AND (%(crucibles)s::int[] IS NULL OR coalesce(crucible.id, known.crucible_id) = ANY(%(crucibles)s))
ORDER BY 1

-- changed_entries --
-- Of a page of some crucibles' entries, by id: the last of the page, and those that were never decided or with something
-- else in mind. What is the same on both sides stays here, however much it is.
SELECT max(page.id), array_agg(page.id ORDER BY page."createdAt", page.id) FILTER (WHERE page.changed)
  FROM (SELECT entry.id, entry."createdAt", known.digest IS DISTINCT FROM {facts_digest} AS changed
          FROM (SELECT * FROM public."CrucibleEntry"
                 WHERE "crucibleId" = ANY(%(crucibles)s) AND id > %(after)s ORDER BY id LIMIT %(most)s) entry
          LEFT JOIN public."Image" image ON image.id = entry."imageId"
          LEFT JOIN {schema}.entry_digest known ON known.entry_id = entry.id) page

-- decided_entries --
-- Entries of some crucibles that have a verdict, from one on, in the order in which they came: the rules have changed.
SELECT crucible_id, entered_at::text, entry_id
  FROM {schema}.entry_verdict
 WHERE crucible_id = ANY(%(crucibles)s) AND verdict <> 'withdrawn'
   AND (crucible_id, entered_at, entry_id) > (%(after_crucible)s, %(after_time)s::timestamp, %(after_id)s)
 ORDER BY crucible_id, entered_at, entry_id
 LIMIT %(most)s

-- waiting_entries --
-- Entries of some crucibles that wait, in the order in which they came.
SELECT entry_id FROM {schema}.entry_verdict
 WHERE crucible_id = ANY(%(crucibles)s) AND verdict = 'waiting' ORDER BY crucible_id, entered_at, entry_id

-- ripe_entries --
-- Entries that wait for a scan which is there now, or for a fee that is another entry's: both have named one payment at
-- the same time, and the other one came first.
SELECT seen.entry_id
  FROM {schema}.entry_verdict seen
  LEFT JOIN public."Image" image ON image.id = seen.image_id
 WHERE seen.verdict = 'waiting'
   AND ('image_not_scanned' = ANY (seen.reasons)
        AND (image.id IS NULL OR image.ingestion NOT IN ('Pending', 'Rescan', 'PendingManualAssignment')
             AND (image."nsfwLevel" <> 0 OR image.ingestion <> 'Scanned'))
        OR 'fee_pending' = ANY (seen.reasons)
           AND NOT EXISTS (SELECT FROM {schema}.entry_fee fee WHERE fee.entry_id = seen.entry_id))
 ORDER BY seen.entered_at, seen.entry_id

-- without_a_place --
-- Entries that were rejected because another one had their place, which is free now: of a user, of an image, or of all.
-- A fee that went back does not come again, so those who had paid stay out.
SELECT seen.entry_id
  FROM {schema}.entry_verdict seen
 WHERE seen.crucible_id = ANY(%(crucibles)s) AND seen.verdict = 'rejected'
   AND ('total_limit' = ANY (seen.reasons)
        OR 'user_limit' = ANY (seen.reasons) AND seen.user_id = ANY(%(users)s)
        OR 'image_entered_already' = ANY (seen.reasons) AND seen.image_id = ANY(%(images)s))
   AND NOT EXISTS (SELECT FROM {schema}.entry_fee fee WHERE fee.entry_id = seen.entry_id)
 ORDER BY seen.entered_at, seen.entry_id
 LIMIT %(most)s

-- vanished_of --
-- Entries of some crucibles that hold a place and whose row is gone.
SELECT seen.entry_id
  FROM {schema}.entry_verdict seen
 WHERE seen.crucible_id = ANY(%(crucibles)s) AND seen.verdict IN ('waiting', 'admitted')
   AND NOT EXISTS (SELECT FROM public."CrucibleEntry" entry WHERE entry.id = seen.entry_id)
 ORDER BY seen.entry_id
 LIMIT %(most)s

-- vanished_facts --
-- Some entries whose row is gone, if their crucible had not ended when it was last looked at: they are withdrawn.
SELECT seen.entry_id, seen.crucible_id, seen.user_id, seen.image_id,
       (extract(epoch FROM seen.entered_at) * 1000)::bigint, seen.verdict, seen.reasons,
       fee.prefix, fee.source, fee.payment, fee.collected
  FROM {schema}.entry_verdict seen
  LEFT JOIN {schema}.entry_fee fee ON fee.entry_id = seen.entry_id
  LEFT JOIN {schema}.entry_crucible known ON known.crucible_id = seen.crucible_id
  LEFT JOIN public."Crucible" crucible ON crucible.id = seen.crucible_id
 WHERE seen.entry_id = ANY(%s) AND seen.verdict IN ('waiting', 'admitted')
   AND known.status IS DISTINCT FROM 'Completed' AND crucible.status IS DISTINCT FROM 'Completed'
   AND NOT EXISTS (SELECT FROM {schema}.settlement
                    WHERE settlement.crucible_id = seen.crucible_id AND settlement.settled_at IS NOT NULL)
   AND NOT EXISTS (SELECT FROM public."CrucibleEntry" entry WHERE entry.id = seen.entry_id)
 ORDER BY seen.crucible_id, seen.entered_at, seen.entry_id

-- write_verdicts --
-- What was decided, its log, what it was decided with, and the rules by which crucibles' first entries were. A verdict is
-- written only where something is another than it was, so that what stays the same makes no change event.
WITH digests AS (
    INSERT INTO {schema}.entry_digest AS there (entry_id, digest)
    SELECT * FROM unnest(%(entries)s::int[], %(digests)s::bigint[])
    ON CONFLICT (entry_id) DO UPDATE SET digest = excluded.digest WHERE there.digest <> excluded.digest
), firsts AS (
    INSERT INTO {schema}.entry_crucible (crucible_id, status, rules_digest)
    SELECT crucible_id, status, rules_digest
      FROM jsonb_to_recordset(%(firsts)s::jsonb) AS one (crucible_id int, status text, rules_digest bigint)
    ON CONFLICT DO NOTHING
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

-- settle_fee --
-- What a fee came to.
UPDATE {schema}.entry_fee SET payment = %s, collected = %s, settled_at = now() WHERE entry_id = %s
RETURNING crucible_id

-- note_crucibles --
-- The rules by which all entries of some crucibles were decided.
INSERT INTO {schema}.entry_crucible (crucible_id, status, rules_digest)
SELECT crucible_id, status, rules_digest
  FROM jsonb_to_recordset(%s::jsonb) AS one (crucible_id int, status text, rules_digest bigint)
ON CONFLICT (crucible_id) DO UPDATE SET status = excluded.status, rules_digest = excluded.rules_digest
WHERE (entry_crucible.status, entry_crucible.rules_digest) IS DISTINCT FROM (excluded.status, excluded.rules_digest)

-- verdict_state --
-- How an entry stands now.
SELECT verdict FROM {schema}.entry_verdict WHERE entry_id = %s

-- waiting_age --
-- For metrics: how many wait, and for how long the oldest has.
SELECT count(*)::int, coalesce(extract(epoch FROM now() - min(waiting_since)), 0)::float8
  FROM {schema}.entry_verdict
 WHERE verdict = 'waiting'

-- list_entries --
-- For people, in the order in which they came. NULL of a filter: all.
SELECT seen.entry_id, seen.user_id, seen.image_id, seen.verdict, seen.reasons, seen.fee, seen.decided_at,
       seen.waiting_since
  FROM {schema}.entry_verdict seen
 WHERE seen.crucible_id = %(crucible)s
   AND (%(verdict)s::text IS NULL OR seen.verdict = %(verdict)s)
   AND (%(reason)s::text IS NULL OR %(reason)s = ANY (seen.reasons))
 ORDER BY seen.entered_at, seen.entry_id
 LIMIT %(most)s

-- count_entries --
-- How many there are of each verdict.
SELECT verdict, count(*)::int, sum(fee)::bigint FROM {schema}.entry_verdict WHERE crucible_id = %s GROUP BY 1 ORDER BY 1

-- show_entry --
-- How an entry and its fee stand.
SELECT seen.entry_id, seen.crucible_id, seen.user_id, seen.image_id, seen.verdict, seen.reasons, seen.fee,
       seen.entered_at, seen.decided_at, seen.waiting_since, fee.prefix, fee.source, fee.payment, fee.collected
  FROM {schema}.entry_verdict seen
  LEFT JOIN {schema}.entry_fee fee ON fee.entry_id = seen.entry_id
 WHERE seen.entry_id = %s

-- decisions_of --
-- Every change of an entry's verdict, with what was known then.
SELECT made_at, made_by, verdict, reasons, facts FROM {schema}.entry_decision WHERE entry_id = %s ORDER BY id

-- take_part --
-- Which of some entries take part, as far as it was decided: the row state that Redis is to have of them.
SELECT entry_id, verdict = 'admitted' OR NOT enforced FROM {schema}.entry_verdict WHERE entry_id = ANY(%s)
