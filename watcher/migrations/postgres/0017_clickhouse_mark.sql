-- The mark that watchers set in ClickHouse too, to see from each store whether the other was set back to an older copy.
CREATE TABLE {schema}.clickhouse_mark (
    one       boolean     PRIMARY KEY DEFAULT true CHECK (one),
    history   integer     NOT NULL DEFAULT 0,
    number    bigint      NOT NULL DEFAULT 0, -- counts up before it is set there
    confirmed bigint      NOT NULL DEFAULT 0, -- the last of this history that ClickHouse has answered for
    set_at    timestamptz
);

INSERT INTO {schema}.clickhouse_mark DEFAULT VALUES;
