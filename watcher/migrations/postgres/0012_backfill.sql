-- How far `crucible backfill` is with each table, and who is at it: whoever starts it again goes on there.
CREATE TABLE {schema}.backfill (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_table  text        NOT NULL,
    way           text        NOT NULL CHECK (way IN ('rows', 'connector')),
    state         text        NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'paused', 'done', 'given_up')),
    until_key     bigint      NOT NULL,           -- the highest key when it began: later rows are the stream's
    done_key      bigint,                         -- rows up to this key are done; NULL before the first
    looked_at     bigint      NOT NULL DEFAULT 0, -- rows
    mended        jsonb       NOT NULL DEFAULT '{}', -- kind of difference -> rows that were put right
    still_wrong   bigint      NOT NULL DEFAULT 0, -- rows that did not stand still
    done_crucible integer     NOT NULL DEFAULT 0, -- crucibles up to this id were compared in Redis
    pause_wanted  boolean     NOT NULL DEFAULT false,
    made_by       text        NOT NULL,           -- who is at it, or was last
    began_at      timestamptz NOT NULL DEFAULT now(),
    seen_at       timestamptz NOT NULL DEFAULT now(),
    ended_at      timestamptz
);

CREATE UNIQUE INDEX backfill_open ON {schema}.backfill (source_table) WHERE ended_at IS NULL;
