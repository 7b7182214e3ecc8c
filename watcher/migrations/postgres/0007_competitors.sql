-- Who competes, fixed by the freeze: entries that were there, not rejected, and whose image could be shown. One value, for
-- nobody asks for one of them alone, and a million rows would be written and deleted in its place. NULL before the freeze,
-- and again once positions say the same.
ALTER TABLE {schema}.settlement ADD COLUMN competitors integer[];
-- Ids that rise are not worth compressing.
ALTER TABLE {schema}.settlement ALTER COLUMN competitors SET STORAGE EXTERNAL;

-- Since when crucibles are settled here: what was created before and never seen active is no business of ours.
CREATE TABLE {schema}.settling_since (
    since timestamptz NOT NULL DEFAULT now(),
    one   boolean     PRIMARY KEY DEFAULT true CHECK (one)
);
