-- Tables whose changes wait in their topic because a person has said so; watchers of the group look every few seconds.
CREATE TABLE {schema}.table_pause (
    consumer_group text        NOT NULL,
    source_table   text        NOT NULL,
    since          timestamptz NOT NULL DEFAULT now(),
    made_by        text        NOT NULL,
    reason         text        NOT NULL DEFAULT '',
    PRIMARY KEY (consumer_group, source_table)
);
