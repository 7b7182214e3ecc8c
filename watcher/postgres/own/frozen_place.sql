-- frozen_place --
-- The last vote that counts in a crucible whose end was acted upon, NULL before it was written down; no row while votes may
-- be taken. One that is cancelled has none, and takes no votes either.
SELECT epoch, seq
FROM {schema}.settlement
WHERE crucible_id = %s AND coalesce(parked_from, state) <> 'due'
