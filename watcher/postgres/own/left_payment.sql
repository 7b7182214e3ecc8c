-- are_noted --
-- Whether the site's database was prepared for it (debezium/postgres/payments.sql).
SELECT to_regclass(quote_ident(%s) || '.left_payment') IS NOT NULL

-- noted_payments --
-- The oldest payments that have left their rows, of one crucible or, NULL, of all.
SELECT note.id, note.entry_id, note.crucible_id
  FROM {schema}.left_payment note
 WHERE %(crucible)s::int IS NULL OR note.crucible_id = %(crucible)s
 ORDER BY note.id
 LIMIT %(most)s

-- left_payments --
-- Some of them, with what is known of their entries and of themselves by now. A payment of a crucible that was over when it
-- left its row is a part of the result, unless the result is ours and the entry came too late to be in it.
SELECT note.id, note.entry_id, note.crucible_id, note.user_id, note.image_id,
       (extract(epoch FROM greatest(least(note.entered_at, {LAST_MOMENT}), {FIRST_MOMENT})) * 1000)::bigint, note.prefix, note.deleted,
       NOT note.completed
       OR seen.entry_id IS NULL AND EXISTS (SELECT FROM {schema}.settlement
                                             WHERE settlement.crucible_id = note.crucible_id
                                               AND settlement.settled_at IS NOT NULL) AS is_owed,
       fee.prefix IS NOT NULL AS is_known,
       seen.entry_id IS NOT NULL AS is_decided,
       entry.id IS NOT NULL AS is_there,
       coalesce(note.deleted AND fee.entry_id = note.entry_id AND NOT fee.returned
                AND entry."buzzTransactionId" IS DISTINCT FROM note.prefix AND entry.id IS NOT NULL, false) AS is_replaced
  FROM {schema}.left_payment note
  LEFT JOIN {schema}.entry_fee fee ON fee.prefix = note.prefix
  LEFT JOIN {schema}.entry_verdict seen ON seen.entry_id = note.entry_id
  LEFT JOIN public."CrucibleEntry" entry ON entry.id = note.entry_id
 WHERE note.id = ANY(%s)
 ORDER BY note.id

-- named_prefixes --
-- Which of some prefixes a row of an entry names. The site has no index on them: all its entries are looked through once,
-- however many these are.
SELECT DISTINCT entry."buzzTransactionId"
  FROM public."CrucibleEntry" entry
 WHERE entry."buzzTransactionId" IN (SELECT unnest(%s::text[]))

-- return_payments --
-- What goes back without being an entry's fee; a prefix that somebody has already is left as it is.
INSERT INTO {schema}.entry_fee (entry_id, crucible_id, user_id, prefix, source, payment, returned)
SELECT entry_id, crucible_id, user_id, prefix, 'site', 'settled', true
  FROM jsonb_to_recordset(%s::jsonb) AS one (entry_id int, crucible_id int, user_id int, prefix text)
ON CONFLICT DO NOTHING
RETURNING prefix

-- forget_payments --
-- Looked at, and whatever follows is written.
DELETE FROM {schema}.left_payment WHERE id = ANY(%s)
