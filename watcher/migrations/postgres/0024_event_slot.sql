-- What was last seen of the slot of events for other services, whose stream has no beats: so that one that somebody has
-- dropped is missed, and one that was made anew is told from it.
CREATE TABLE {schema}.event_slot (
    name          text        PRIMARY KEY,
    decoded_bytes bigint      NOT NULL, -- that PostgreSQL has counted for it; another slot begins at 0
    counted_since timestamptz NOT NULL, -- since when PostgreSQL counts anything: after a crash all begins at 0
    gone_since    timestamptz,          -- NULL: it is there
    begun_anew    timestamptz           -- when another one was found in its place; NULL: never
);
