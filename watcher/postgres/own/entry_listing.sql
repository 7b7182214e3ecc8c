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
  LEFT JOIN {schema}.entry_fee fee ON fee.entry_id = seen.entry_id AND NOT fee.returned
 WHERE seen.entry_id = %s

-- decisions_of --
-- Every change of an entry's verdict, with what was known then.
SELECT made_at, made_by, verdict, reasons, facts FROM {schema}.entry_decision WHERE entry_id = %s ORDER BY id
