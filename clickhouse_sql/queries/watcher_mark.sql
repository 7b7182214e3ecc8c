-- watcher_mark --
-- The last mark that is here; zeros where there is none.
SELECT tupleElement(last, 1), tupleElement(last, 2), tupleElement(last, 3)
FROM (SELECT max(mark) AS last FROM watcher_mark WHERE watcher = {watcher:String})

-- set_watcher_mark --
-- A later mark takes the place of the one before when the server gets to it.
INSERT INTO watcher_mark SELECT {watcher:String}, ({history:UInt32}, {number:UInt64}, {lsn:UInt64})
