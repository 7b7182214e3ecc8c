-- signal --
-- A command for the connector, which reads it in the log. One that was written before is not written again, which needs no
-- right to read.
INSERT INTO crucible_debezium.signal (id, type, data) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
