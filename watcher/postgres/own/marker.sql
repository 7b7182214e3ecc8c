-- load --
-- What a group has read, at its start.
SELECT topic, partition, topic_id FROM {schema}.marker WHERE consumer_group = %s

-- remember --
-- The first topic id stays: another one is a topic that was made anew.
INSERT INTO {schema}.marker (consumer_group, topic, partition, topic_id) VALUES (%s, %s, %s, %s)
ON CONFLICT DO NOTHING

-- forget --
-- Of one topic, or of all where none is given.
DELETE FROM {schema}.marker WHERE consumer_group = %s AND (%s::text IS NULL OR topic = %s) RETURNING 1
