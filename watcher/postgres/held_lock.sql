-- try_lock --
-- Asked for again and again: waiting inside the server would run into the statement's time limit.
SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))

-- stay --
-- A server may end transactions that take long; this one takes as long as the migrations do.
SELECT set_config(name, '0', true)
FROM pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')
