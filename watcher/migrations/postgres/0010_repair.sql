-- What `crucible reconcile --fix` has decided, before it is written to ClickHouse: whoever dies in between, the next run
-- finishes it. From then on it also says up to where the changes of those rows are seen to, so that one of them that comes
-- after all is not counted on top; and it is the log of who mended what.
CREATE TABLE {schema}.repair (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_table text        NOT NULL,
    history      integer     NOT NULL, -- number of PostgreSQL's history that the position is of
    lsn          bigint      NOT NULL, -- position in the log: changes up to it are in what the rows were compared with
    keys         bigint[]    NOT NULL, -- of the rows that are mended
    kinds        jsonb       NOT NULL, -- kind of difference -> rows
    token        text        NOT NULL, -- of the insert
    planned      bytea,                -- metric events as they are sent; NULL once they are there
    made_by      text        NOT NULL,
    made_at      timestamptz NOT NULL DEFAULT now(),
    done_at      timestamptz
);

CREATE INDEX repair_lsn ON {schema}.repair (history, lsn);
