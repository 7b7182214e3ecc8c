-- What is known of a connector besides what Kafka Connect tells: which process looks after it, how often its failed tasks
-- were started once more, and since when, and by whom, it is at rest.
CREATE TABLE {schema}.connector (
    name         text          PRIMARY KEY,
    owner        text          NOT NULL DEFAULT '',
    owned_until  timestamptz   NOT NULL DEFAULT '-infinity', -- another process may look after it from then on
    failed_since timestamptz,                                -- NULL: no task of it has failed
    restarts     timestamptz[] NOT NULL DEFAULT '{}',        -- of the last hour
    rests_since  timestamptz,                                -- NULL: nobody has put it to rest
    rests_by     text                                        -- NULL: it was not done by `crucible connector pause`
);
