-- crucibles_to_decide --
-- Crucibles whose entries may lack a verdict or get another one, with the rules that theirs were decided by. Those that
-- are over, or gone, are looked at once more; one about whose entries nobody has decided only if it was cancelled and was
-- made after we came: what became of others is no business of ours.
SELECT
    coalesce(crucible.id, known.crucible_id),
    known.status,
    CASE WHEN known.interim_digest IS NULL THEN known.rules_digest ELSE {SEVERAL} END,
    known.first_end_ms,
    known.last_end_ms,
    crucible.id IS NOT NULL AS there,
{rule_columns}
FROM public."Crucible" crucible
FULL JOIN {schema}.entry_crucible known ON known.crucible_id = crucible.id
WHERE (crucible.status = 'Active'
       OR crucible.status IN ('Completed', 'Cancelled') AND known.status <> crucible.status::text
       OR crucible.status = 'Cancelled' AND known.interim_digest IS NOT NULL
       OR crucible.status = 'Cancelled' AND known.crucible_id IS NULL
          AND crucible."createdAt" >= (SELECT min(applied_at) AT TIME ZONE 'UTC' FROM {schema}.migration)
       OR crucible.id IS NULL AND known.status NOT IN ('Completed', 'gone'))
  AND (%(crucibles)s::int[] IS NULL OR coalesce(crucible.id, known.crucible_id) = ANY(%(crucibles)s))
ORDER BY 1

-- changed_entries --
-- Of a page of some crucibles' entries, by id: the last of the page, and those that were never decided or with something
-- else in mind. What is the same on both sides stays here, however much it is.
SELECT max(page.id), array_agg(page.id ORDER BY page."createdAt", page.id) FILTER (WHERE page.changed)
  FROM (SELECT entry.id, entry."createdAt", known.digest IS DISTINCT FROM {facts_digest} OR seen.entry_id IS NULL AS changed
          FROM (SELECT * FROM public."CrucibleEntry"
                 WHERE "crucibleId" = ANY(%(crucibles)s) AND id > %(after)s ORDER BY id LIMIT %(most)s) entry
          LEFT JOIN public."Image" image ON image.id = entry."imageId"
          LEFT JOIN {schema}.entry_digest known ON known.entry_id = entry.id
          LEFT JOIN {schema}.entry_verdict seen ON seen.entry_id = entry.id) page

-- decided_entries --
-- Entries that have a verdict, of crucibles whose rules have changed, if they were made at times for which that makes a
-- difference; from one on, in the order in which they came.
SELECT seen.crucible_id, seen.entered_at::text, seen.entry_id
  FROM unnest(%(crucibles)s::int[], %(firsts)s::bigint[], %(lasts)s::bigint[]) AS told (crucible_id, first_ms, last_ms)
  JOIN {schema}.entry_verdict seen
    ON seen.crucible_id = told.crucible_id
   AND seen.entered_at >= coalesce(to_timestamp(told.first_ms / 1000.0) AT TIME ZONE 'UTC', '-infinity')
   AND seen.entered_at <= coalesce(to_timestamp(told.last_ms / 1000.0) AT TIME ZONE 'UTC', 'infinity')
 WHERE seen.verdict <> 'withdrawn'
   AND (seen.crucible_id, seen.entered_at, seen.entry_id) > (%(after_crucible)s, %(after_time)s::timestamp, %(after_id)s)
 ORDER BY seen.crucible_id, seen.entered_at, seen.entry_id
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
-- Entries that are out, or wait without a place, because another one had it, which is free now: that of this user in this
-- crucible, of this image, or of all; from one on, in the order in which they came. A fee that went back does not come
-- again, so those who had paid stay out.
WITH freed AS (
    SELECT * FROM unnest(%(crucibles)s::int[], %(users)s::int[], %(images)s::int[]) AS one (crucible_id, user_id, image_id)
)
SELECT seen.crucible_id, seen.entered_at::text, seen.entry_id
  FROM {schema}.entry_verdict seen
 WHERE seen.crucible_id = ANY(%(crucibles)s) AND seen.verdict IN ('waiting', 'rejected')
   AND (seen.crucible_id, seen.entered_at, seen.entry_id) > (%(after_crucible)s, %(after_time)s::timestamp, %(after_id)s)
   AND ('total_limit' = ANY (seen.reasons)
        OR 'user_limit' = ANY (seen.reasons)
           AND (seen.crucible_id, seen.user_id) IN (SELECT crucible_id, user_id FROM freed)
        OR 'image_entered_already' = ANY (seen.reasons)
           AND (seen.crucible_id, seen.image_id) IN (SELECT crucible_id, image_id FROM freed))
   AND (seen.verdict = 'waiting'
        OR NOT EXISTS (SELECT FROM {schema}.entry_fee fee WHERE fee.entry_id = seen.entry_id AND NOT fee.returned))
 ORDER BY seen.crucible_id, seen.entered_at, seen.entry_id
 LIMIT %(most)s

-- beyond_places --
-- Entries that hold a place though those before them have all that there are, of their user, their image or the crucible;
-- but for those of which that was found already, and votes keep them in.
SELECT ranked.entry_id
  FROM (SELECT one.entry_id, one.entered_at, one.reasons, crucible."entryLimit", crucible."maxTotalEntries",
               row_number() OVER (PARTITION BY one.crucible_id ORDER BY one.entered_at, one.entry_id) AS nth,
               row_number() OVER (PARTITION BY one.crucible_id, one.user_id
                                  ORDER BY one.entered_at, one.entry_id) AS nth_of_user,
               row_number() OVER (PARTITION BY one.crucible_id, one.image_id
                                  ORDER BY one.entered_at, one.entry_id) AS nth_of_image
          FROM {schema}.entry_verdict one
          JOIN public."Crucible" crucible ON crucible.id = one.crucible_id
         WHERE one.crucible_id = ANY(%(crucibles)s) AND {one_holds}) ranked
 WHERE nth > "maxTotalEntries" AND 'total_limit' <> ALL (reasons)
    OR nth_of_user > "entryLimit" AND 'user_limit' <> ALL (reasons)
    OR nth_of_image > 1 AND 'image_entered_already' <> ALL (reasons)
 ORDER BY entered_at, entry_id
 LIMIT %(most)s

-- vanished_of --
-- Entries of some crucibles that wait or are in and whose row is gone.
SELECT seen.entry_id
  FROM {schema}.entry_verdict seen
 WHERE seen.crucible_id = ANY(%(crucibles)s) AND seen.verdict IN ('waiting', 'admitted')
   AND NOT EXISTS (SELECT FROM public."CrucibleEntry" entry WHERE entry.id = seen.entry_id)
 ORDER BY seen.entry_id
 LIMIT %(most)s

-- begin_crucibles --
-- Rules by which all entries of some crucibles are going to be decided; whoever decides by others meanwhile says so there.
UPDATE {schema}.entry_crucible there
   SET interim_digest = told.digest
  FROM unnest(%s::int[], %s::bigint[]) AS told (crucible_id, digest)
 WHERE there.crucible_id = told.crucible_id

-- note_crucibles --
-- The rules by which all entries of some crucibles were decided, unless some were decided by others meanwhile: then they are
-- not all of them. An end by which somebody has decided since we have read which ends there were (known_...) stays noted.
WITH told AS (
    SELECT * FROM jsonb_to_recordset(%s::jsonb)
           AS one (crucible_id int, status text, digest bigint, first_end_ms bigint, last_end_ms bigint,
                   known_digest bigint, known_first_end_ms bigint, known_last_end_ms bigint)
), others AS (
    UPDATE {schema}.entry_crucible there
       SET status = told.status, rules_digest = told.digest, interim_digest = NULL,
           first_end_ms = CASE WHEN there.first_end_ms >= told.known_first_end_ms THEN told.first_end_ms
                               ELSE least(there.first_end_ms, told.first_end_ms) END,
           last_end_ms = CASE WHEN there.last_end_ms <= told.known_last_end_ms THEN told.last_end_ms
                              ELSE greatest(there.last_end_ms, told.last_end_ms) END
      FROM told
     WHERE there.crucible_id = told.crucible_id
       AND coalesce(there.interim_digest, CASE WHEN told.known_digest IS NULL THEN there.rules_digest END, told.digest)
           = told.digest
)
INSERT INTO {schema}.entry_crucible (crucible_id, status, rules_digest, first_end_ms, last_end_ms)
SELECT crucible_id, status, digest, first_end_ms, last_end_ms FROM told
ON CONFLICT DO NOTHING
