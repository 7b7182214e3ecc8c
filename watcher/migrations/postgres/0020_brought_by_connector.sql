-- A backfill whose rows the connector reads and sends: when all were in the topics and written, and how many there were.
ALTER TABLE {schema}.backfill
    ADD COLUMN brought_at timestamptz,             -- NULL: not all of them yet, or none is asked for
    ADD COLUMN sent       bigint NOT NULL DEFAULT 0; -- rows that the connector has read
