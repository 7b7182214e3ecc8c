-- create_staging --
-- Rows that a table has lost wait here to be given to it. The shape, and with it the window of tokens, is the table's:
-- who stages the same plan a second time, under its token, stages nothing.
CREATE TABLE IF NOT EXISTS {staging} AS {table}

-- clear_staging --
-- What an earlier attempt has left there is not attached.
TRUNCATE TABLE IF EXISTS {staging}

-- staged_partitions --
-- Which partitions the staged rows lie in: each is given to the table by its id.
SELECT DISTINCT partition_id
FROM system.parts
WHERE database = currentDatabase() AND table = {staging_name:String} AND active

-- attach_staged --
-- Fires no view: the insert under the plan's own token has given the views theirs.
ALTER TABLE {table} ATTACH PARTITION ID {partition} FROM {staging}

-- move_staged --
-- Fires no view either. Moved, not copied: two who do this at once bring the rows in once.
ALTER TABLE {staging} MOVE PARTITION ID {partition} TO TABLE {table}

-- drop_staging --
-- Made anew when it is needed again.
DROP TABLE IF EXISTS {staging}

-- old_staging --
-- Those that were left for whoever was slower.
SELECT name
FROM system.tables
WHERE database = currentDatabase() AND name LIKE '%\_vote\_staging\_%'
    AND metadata_modification_time < now() - INTERVAL 1 DAY
