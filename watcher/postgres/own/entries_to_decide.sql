-- crucibles_to_decide --
-- Crucibles whose entries may lack a verdict or get another one, with the rules that theirs were decided by. Those that
-- are over, or gone, are looked at once more; one about whose entries nobody has decided only if it was cancelled and was
-- made after we came: what became of others is no business of ours.
SELECT
    coalesce(crucible.id, known.crucible_id),
    known.rules_digest,
    crucible.id IS NOT NULL AS there,
{rule_columns}
FROM public."Crucible" crucible
FULL JOIN {schema}.entry_crucible known ON known.crucible_id = crucible.id
WHERE (crucible.status = 'Active'
       OR crucible.status IN ('Completed', 'Cancelled') AND known.status <> crucible.status::text
       OR crucible.status = 'Cancelled' AND known.crucible_id IS NULL
          AND crucible."createdAt" >= (SELECT min(applied_at) AT TIME ZONE 'UTC' FROM {schema}.migration)
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
           AND NOT EXISTS (SELECT FROM {schema}.entry_fee fee WHERE fee.entry_id = seen.entry_id AND NOT fee.returned))
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
   AND NOT EXISTS (SELECT FROM {schema}.entry_fee fee WHERE fee.entry_id = seen.entry_id AND NOT fee.returned)
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

-- note_crucibles --
-- The rules by which all entries of some crucibles were decided.
INSERT INTO {schema}.entry_crucible (crucible_id, status, rules_digest)
SELECT crucible_id, status, rules_digest
  FROM jsonb_to_recordset(%s::jsonb) AS one (crucible_id int, status text, rules_digest bigint)
ON CONFLICT (crucible_id) DO UPDATE SET status = excluded.status, rules_digest = excluded.rules_digest
WHERE (entry_crucible.status, entry_crucible.rules_digest) IS DISTINCT FROM (excluded.status, excluded.rules_digest)
