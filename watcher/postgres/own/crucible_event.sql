-- write_events --
-- In the transaction of what happened.
INSERT INTO {schema}.crucible_event (type, crucible_id, subject, data)
SELECT type, crucible_id, subject, data
  FROM jsonb_to_recordset(%s::jsonb) AS one (type text, crucible_id integer, subject text, data jsonb)

-- forget_events --
-- The oldest rows, if they are old enough. By number: they are written in about the order of their time, so nothing but
-- the oldest is looked at.
DELETE FROM {schema}.crucible_event
 WHERE number IN (
           SELECT number
             FROM (SELECT number, time FROM {schema}.crucible_event ORDER BY number LIMIT %s) oldest
            WHERE time < now() - make_interval(days => %s)
       )
RETURNING number
