-- The rules of entering once more, in SQL: each verdict that "told" has, with what the facts beside it say. It shares
-- nothing with the program, so that both are wrong only if both are wrong in the same way.
WITH told AS MATERIALIZED (
{told}
), parts AS (
    SELECT id, entry_id, verdict AS stands, reasons AS because, verdict_before, f,
           nullif(f -> 'crucible', 'null') AS c, nullif(f -> 'image', 'null') AS i
      FROM told
), known AS (
    SELECT parts.*,
           (c ->> 'status') AS status,
           (i ->> 'ingestion') AS ingestion,
           (i ->> 'nsfw_level')::int AS level,
           i ->> 'ingestion' IN ('Pending', 'Rescan', 'PendingManualAssignment')
               OR (i ->> 'ingestion' = 'Scanned' AND (i ->> 'nsfw_level')::int = 0) AS unscanned,
           coalesce((c ->> 'allowed_resources')::jsonb, 'null') AS allowed
      FROM parts
), listed AS (
    SELECT known.*,
           jsonb_typeof(allowed) = 'null' OR allowed = '[]' AS all_allowed,
           jsonb_typeof(allowed) NOT IN ('null', 'array')
               OR jsonb_path_exists(allowed, 'strict $[*] ? (@.type() != "number" || @ != @.floor())', silent => true)
               AS unreadable
      FROM known
), broken AS (
    SELECT listed.*,
           array_remove(ARRAY[
               CASE WHEN c IS NULL THEN 'crucible_unknown' END,
               CASE WHEN status <> 'Active' THEN 'crucible_not_active' END,
               CASE WHEN (f ->> 'created_ms')::bigint < (c ->> 'start_ms')::bigint THEN 'not_started' END,
               CASE WHEN (f ->> 'created_ms')::bigint > (c ->> 'end_ms')::bigint THEN 'ended' END,
               CASE WHEN (f ->> 'earlier_in_all')::int >= (c ->> 'max_total_entries')::int THEN 'total_limit' END,
               CASE WHEN (f ->> 'earlier_of_user')::int >= (c ->> 'entry_limit')::int THEN 'user_limit' END,
               CASE WHEN i IS NULL THEN 'image_unknown' END,
               CASE WHEN i ->> 'user_id' <> f ->> 'user_id' THEN 'not_image_owner' END,
               CASE WHEN i IS NOT NULL AND (f ->> 'entered_already')::boolean THEN 'image_entered_already' END,
               CASE WHEN ingestion = 'Blocked' OR i ->> 'blocked_for' IS NOT NULL OR level & 32 > 0
                    THEN 'image_blocked' END,
               CASE WHEN ingestion IN ('Error', 'NotFound') THEN 'image_not_scannable' END,
               CASE WHEN unscanned THEN 'image_not_scanned' END,
               CASE WHEN NOT unscanned AND level & ~32 <> 0 AND level & 31 & (c ->> 'nsfw_level')::int = 0
                    THEN 'level_not_allowed' END,
               CASE WHEN unscanned OR c IS NULL OR i ->> 'type' <> 'image' OR all_allowed OR unreadable THEN NULL
                    WHEN i -> 'resources' <> '[]' AND NOT i -> 'resources' <@ allowed THEN 'resources_not_allowed' END,
               CASE WHEN unscanned OR c IS NULL OR i ->> 'type' <> 'image' OR all_allowed OR unreadable THEN NULL
                    WHEN i -> 'resources' = '[]' THEN 'no_resources_detected' END,
               CASE WHEN NOT unscanned AND c IS NOT NULL AND i ->> 'type' = 'image' AND unreadable
                    THEN 'rule_unreadable' END
           ], NULL) AS reasons,
           CASE f ->> 'payment'
               WHEN 'pending' THEN 'fee_pending'
               WHEN 'insufficient_funds' THEN 'insufficient_funds'
               WHEN 'wrong_account_type' THEN 'wrong_account_type'
               WHEN 'refused' THEN 'charge_refused'
               ELSE CASE WHEN (c ->> 'entry_fee')::int > 0 AND (f ->> 'collected')::int = 0 THEN 'unpaid' END
           END AS fee_reason
      FROM listed
), decided AS (
    SELECT broken.*,
           CASE WHEN (f ->> 'admitted_before')::boolean AND (f ->> 'voted_on')::boolean
                     AND coalesce(status, '') <> 'Cancelled' THEN 'admitted'
                WHEN 'image_not_scanned' = ANY (reasons) AND 'image_blocked' <> ALL (reasons)
                     AND coalesce(status, '') NOT IN ('Cancelled', 'Completed') THEN 'waiting'
                WHEN reasons <> '{}' THEN 'rejected'
                WHEN fee_reason = 'fee_pending' THEN 'waiting'
                WHEN fee_reason IS NOT NULL THEN 'rejected'
                ELSE 'admitted' END AS verdict,
           CASE WHEN (f ->> 'admitted_before')::boolean AND (f ->> 'voted_on')::boolean
                     AND coalesce(status, '') <> 'Cancelled' THEN array_remove(reasons, 'image_not_scanned')
                WHEN reasons <> '{}' THEN reasons
                ELSE array_remove(ARRAY[fee_reason], NULL) END AS why
      FROM broken
)
-- Without facts: the row is gone, or a verdict was final and its entry's image alone was swapped.
SELECT entry_id, stands, because,
       CASE WHEN f IS NOT NULL THEN verdict WHEN stands = 'withdrawn' THEN stands ELSE verdict_before END,
       CASE WHEN f IS NOT NULL THEN why ELSE because END
  FROM decided
 ORDER BY id
