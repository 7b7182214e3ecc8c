-- Dead letters that were taken again: what became of each. A letter that is refused again stays the letter that it is, and
-- one that is done warns nobody.
CREATE TABLE {schema}.letter (
    topic_id     text        NOT NULL, -- Kafka's id of the dead-letter topic: one that is made anew has another
    partition    integer     NOT NULL,
    position     bigint      NOT NULL, -- the letter's offset
    source_table text        NOT NULL, -- whose change it is; empty: nobody knows
    record       text        NOT NULL, -- where the refused record lies
    outcome      text        NOT NULL,
    message      text        NOT NULL,
    done         boolean     NOT NULL,
    tries        integer     NOT NULL DEFAULT 1,
    first_tried  timestamptz NOT NULL DEFAULT now(),
    last_tried   timestamptz NOT NULL DEFAULT now(),
    tried_by     text        NOT NULL,
    PRIMARY KEY (topic_id, partition, position)
);

-- Up to where a person has had letters deleted from their topic.
CREATE TABLE {schema}.letters_purged (
    topic_id  text    NOT NULL,
    partition integer NOT NULL,
    upto      bigint  NOT NULL,
    lost_at   timestamptz, -- when letters went with it that nobody had taken; NULL: never
    PRIMARY KEY (topic_id, partition)
);

-- What replays have decided to count, before it is written to ClickHouse: whoever dies in between, the next run finishes
-- it, and a watcher that meets one of these changes meanwhile leaves it to them.
CREATE TABLE {schema}.replay (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_table text        NOT NULL,
    history      integer     NOT NULL, -- number of PostgreSQL's history that the position is of
    lsn          bigint      NOT NULL, -- the highest position in the log of these changes
    identities   text[]      NOT NULL, -- of the changes, in hexadecimal
    token        text        NOT NULL, -- of the insert
    planned      bytea,                -- metric events as they are sent; NULL once they are there
    made_by      text        NOT NULL,
    made_at      timestamptz NOT NULL DEFAULT now(),
    done_at      timestamptz
);

CREATE INDEX replay_lsn ON {schema}.replay (history, lsn);
