-- What a stream lost has a place; a beat tells a quiet stream from one that is cut off; a log that fell is remembered.

-- Where what asks for a comparison was found first and last, and how often.
ALTER TABLE {schema}.reconcile_needed
    ADD COLUMN first_place text   NOT NULL DEFAULT '',
    ADD COLUMN last_place  text   NOT NULL DEFAULT '',
    ADD COLUMN times       bigint NOT NULL DEFAULT 1;

-- One row, written every ten seconds by whichever watcher comes first, and published like the watched tables: what does
-- not come back here would not have come of them either.
CREATE TABLE {schema}.beat (
    id      integer PRIMARY KEY,
    number  bigint  NOT NULL,
    written bigint  NOT NULL
);

-- The log position, of those that were seen in a history, above which its log was found to end: it was set back in place.
ALTER TABLE {schema}.history ADD COLUMN fell_from bigint;
