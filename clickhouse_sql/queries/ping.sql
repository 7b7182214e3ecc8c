-- ping --
-- Whether the server answers, and knows us.
SELECT 1

-- changes_writable --
-- Whether we may read and write what changes become, without writing any.
INSERT INTO entityMetricEvents SELECT * FROM entityMetricEvents WHERE false

-- votes_writable --
-- The same for what votes become.
INSERT INTO crucible_entry_rating SELECT * FROM crucible_entry_rating WHERE false
