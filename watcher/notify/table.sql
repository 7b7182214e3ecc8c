-- put_notices --
-- A user who was told of a key is not told of it again, and the words stay as they were.
INSERT INTO {schema}.notice (key, user_id, type, category, message, url, details)
SELECT key, user_id, type, category, message, url, details
  FROM jsonb_to_recordset(%s::jsonb)
       AS one (key text, user_id integer, type text, category text, message text, url text, details jsonb)
ON CONFLICT (key, user_id) DO NOTHING

-- told_keys --
-- Which of some keys are there.
SELECT DISTINCT key FROM {schema}.notice WHERE key = ANY(%s)
