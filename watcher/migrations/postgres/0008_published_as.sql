-- As what each watched table is published. A publication that was made anew, or a table that was out of it for a moment, is
-- another one than before, also if nobody looked meanwhile.
CREATE TABLE {schema}.published_as (
    source_table text        PRIMARY KEY,
    print        text        NOT NULL,
    since        timestamptz NOT NULL DEFAULT now()
);
