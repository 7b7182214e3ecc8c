-- The watcher's own tables, as they were before migrations had numbers: every statement may be run again, so a schema that
-- has them is taken over as it is.

-- Which partitions a consumer group has read: tells "never ran, start at the earliest record" from "its place is gone,
-- stop". The topic's id tells a topic that was made anew under the same name.
CREATE TABLE IF NOT EXISTS {schema}.marker (
    consumer_group text        NOT NULL,
    topic          text        NOT NULL,
    partition      integer     NOT NULL,
    topic_id       text        NOT NULL,
    first_seen     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer_group, topic, partition)
);

-- PostgreSQL's histories: log positions are comparable within one number only, and a higher number is younger.
CREATE TABLE IF NOT EXISTS {schema}.history (
    number            integer     PRIMARY KEY,
    system_identifier bigint      NOT NULL,
    timeline          integer     NOT NULL,
    accepted          timestamptz NOT NULL DEFAULT now()
);

-- Tables whose metrics may lack changes (a snapshot of rows never counted, a truncate), until compared with PostgreSQL.
CREATE TABLE IF NOT EXISTS {schema}.reconcile_needed (
    source_table text        NOT NULL,
    reason       text        NOT NULL,
    since        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source_table, reason)
);

-- The last epoch in which a crucible's votes were numbered. Redis may be wiped or set back; a number that was given out
-- stays given out.
CREATE TABLE IF NOT EXISTS {schema}.vote_epoch (
    crucible_id integer     PRIMARY KEY,
    epoch       integer     NOT NULL,
    raised      timestamptz NOT NULL DEFAULT now()
);

-- Runs of `crucible rebuild --all`, so that one that was killed goes on where it was.
CREATE TABLE IF NOT EXISTS {schema}.rebuild_run (
    number   integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    replay   boolean     NOT NULL,
    begun    timestamptz NOT NULL DEFAULT now(),
    done_to  integer     NOT NULL DEFAULT 0,
    ended    timestamptz
);
-- Identity of the Redis that it fills: what was rebuilt in another one is not done.
ALTER TABLE {schema}.rebuild_run ADD COLUMN IF NOT EXISTS redis text NOT NULL DEFAULT '';
