-- How high the keys of a table's rows went at a moment, the first one of each day: whoever has a higher key, and was first
-- heard of later, was made since. Where old metric events are taken away, that tells a row that was never counted from one
-- whose creation has expired.
CREATE TABLE {schema}.key_mark (
    source_table text        NOT NULL,
    day          date        NOT NULL, -- in UTC
    highest      bigint      NOT NULL, -- 0: there was no row, or none above
    marked_at    timestamptz NOT NULL, -- after the rows were looked at
    PRIMARY KEY (source_table, day)
);
