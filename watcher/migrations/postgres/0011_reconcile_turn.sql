-- Where the comparison stands that watchers make by turns, one of them at a time: after a restart, or in another process,
-- it goes on there. It is a row with a lease, and no lock of a session: a pooler hands those on with the connection.
CREATE TABLE {schema}.reconcile_turn (
    one          boolean     PRIMARY KEY DEFAULT true CHECK (one),
    source_table text        NOT NULL DEFAULT '', -- compared next, from this key on; '': the first one
    next_key     bigint      NOT NULL DEFAULT 0,
    round_began  timestamptz,                     -- when the first table's turn last came
    compared     text[]      NOT NULL DEFAULT '{}', -- tables that were compared as a whole in this round
    turned_at    timestamptz,                     -- when the last turn was over
    taken_by     text,
    taken_until  timestamptz
);

INSERT INTO {schema}.reconcile_turn DEFAULT VALUES;

-- What differed when ranges of keys were last compared, by whom ever; no row where nothing did.
CREATE TABLE {schema}.drift (
    source_table text        NOT NULL,
    first_key    bigint      NOT NULL, -- of the range
    kind         text        NOT NULL,
    rows         bigint      NOT NULL,
    found_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source_table, first_key, kind)
);

-- The last comparison of whole tables: by the command, and by the daemon.
CREATE TABLE {schema}.reconcile_run (
    made_with text        PRIMARY KEY, -- command, daemon
    made_by   text        NOT NULL,
    began     timestamptz NOT NULL,
    ended     timestamptz NOT NULL DEFAULT now(),
    tables    text[]      NOT NULL,
    found     jsonb       NOT NULL     -- table -> kind of difference -> rows that still differed at its end
);
