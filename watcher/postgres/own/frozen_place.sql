-- frozen_place --
-- The last vote that counts in a crucible whose end was acted upon; nothing while votes may be taken. One that is
-- cancelled has none, and takes no votes either.
SELECT coalesce(epoch, 0), coalesce(seq, 0)
FROM {schema}.settlement
WHERE crucible_id = %s AND coalesce(parked_from, state) <> 'due'
