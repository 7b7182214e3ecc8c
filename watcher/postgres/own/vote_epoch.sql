-- raise --
-- One statement: of two that raise at once, neither gets the other's number.
INSERT INTO {schema}.vote_epoch AS now (crucible_id, epoch) VALUES (%s, %s + 1)
ON CONFLICT (crucible_id) DO UPDATE SET epoch = greatest(now.epoch, %s) + 1, raised = now()
RETURNING epoch

-- last --
-- Whether a crucible ever had votes, when Redis cannot tell any more.
SELECT epoch FROM {schema}.vote_epoch WHERE crucible_id = %s
