-- move --
-- An amount from one account to another, once: its transfer, and whether that was there before.
SELECT transfer_id, before FROM {schema}.move(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)

-- legs --
-- What was taken under a prefix.
SELECT id, external_id, payer_type, amount
  FROM {schema}.transfer
 WHERE external_id LIKE %s AND payee = 0 AND refund_of IS NULL
 ORDER BY id

-- owed --
-- What was taken under a prefix and has not gone back.
SELECT id, external_id, payer, payer_type, amount, crucible_id
  FROM {schema}.transfer charge
 WHERE external_id LIKE %s AND payee = 0 AND refund_of IS NULL
   AND NOT EXISTS (SELECT FROM {schema}.transfer back WHERE back.refund_of = charge.id)
 ORDER BY id

-- balance --
-- What an account holds.
SELECT balance FROM {schema}.account WHERE number = %s AND type = %s
