-- make_migrations_table --
-- What was applied. The table may take a row twice: it keeps the latest of a version.
CREATE TABLE IF NOT EXISTS crucible_migrations @on_cluster
(
    version    UInt32,
    name       String,
    checksum   String,
    applied_at DateTime64(3)
)
ENGINE = @engine(ReplacingMergeTree, applied_at)
ORDER BY version

-- make_fills_table --
-- How far the fill of each view has come. Likewise: every row says something that stays true.
CREATE TABLE IF NOT EXISTS crucible_view_fills @on_cluster
(
    view     String,
    boundary Int64 COMMENT 'rows that came in at this time or later reach the view by themselves; ms since 1970',
    bucket   UInt16 COMMENT '0: the boundary holds; 1 to buckets: this bucket is filled and verified',
    buckets  UInt16,
    at       DateTime64(3)
)
ENGINE = @engine(ReplacingMergeTree, at)
ORDER BY (view, boundary, bucket)

-- applied_migrations --
-- All that were ever applied, those of a newer version too.
SELECT version, name, checksum, toUnixTimestamp64Milli(applied_at) FROM crucible_migrations FINAL ORDER BY version

-- note_migration --
-- When all of it is done.
INSERT INTO crucible_migrations SELECT {version:UInt32}, {name:String}, {checksum:String}, now64(3)

-- noted_boundary --
-- Whether a view's boundary was found to hold, and in how many buckets it is filled.
SELECT buckets
FROM crucible_view_fills FINAL
WHERE view = {view:String} AND boundary = {boundary:Int64} AND bucket = 0

-- noted_buckets --
-- Which buckets of a fill are done.
SELECT bucket
FROM crucible_view_fills FINAL
WHERE view = {view:String} AND boundary = {boundary:Int64} AND bucket > 0

-- note_bucket --
-- That the boundary holds, bucket 0, or that a bucket is done.
INSERT INTO crucible_view_fills
SELECT {view:String}, {boundary:Int64}, {bucket:UInt16}, {buckets:UInt16}, now64(3)

-- clocks --
-- Boundaries have to hold on every server, whatever its clock shows.
SELECT toUnixTimestamp64Milli(min(now64(3))), toUnixTimestamp64Milli(max(now64(3))) FROM @system(one)

-- statements_of_migrations --
-- A statement outlives who sent it.
SELECT count() FROM @system(processes) WHERE Settings['log_comment'] = {mark:String}

-- inserts_before --
-- An insert that began before a view was made does not feed it.
SELECT count()
FROM @system(processes)
WHERE query_kind IN ('Insert', 'AsyncInsertFlush')
    AND multiSearchAny(query, {names:Array(String)})
    AND toUnixTimestamp64Milli(now64(3)) - toInt64(elapsed * 1000) - {slack:Int64} <= {moment:Int64}

-- doors_to_table --
-- Tables that only hand rows on to a table: an insert into one is an insert into it.
SELECT database, name
FROM system.tables
WHERE engine IN {engines:Array(String)} AND multiSearchAny(engine_full, {names:Array(String)})

-- table_exists --
-- Before it is made, exchanged or read.
EXISTS TABLE @table

-- columns_of_table --
-- A Buffer table has to have all the columns of the table behind it.
SELECT name, type, default_expression
FROM system.columns
WHERE database = currentDatabase() AND table = {table:String}
ORDER BY position

-- flush_buffer --
-- Rows that wait in a Buffer table come into the table; a flush that is under way is waited for.
OPTIMIZE TABLE @table @on_cluster

-- exchange_tables --
-- In one step: there is no moment in which the name is missing.
EXCHANGE TABLES @table AND @other @on_cluster

-- drop_table --
-- Of a run that ended here, or what is in use no more.
DROP TABLE IF EXISTS @table @on_cluster SYNC

-- empty_table --
-- What a discarded view has left in its target.
TRUNCATE TABLE @table @on_cluster SYNC

-- count_rows --
-- Whether there is anything to fill in, or left to remove.
SELECT count() FROM @table

-- count_early_rows --
-- Rows of a table that had none: one that slipped in while the view was made.
SELECT count() FROM @table WHERE @stamp <= fromUnixTimestamp64Milli({now:Int64})

-- stamp_default --
-- Which step of adding the stamp is next is read from the column's default.
SELECT default_expression
FROM system.columns
WHERE database = currentDatabase() AND table = {table:String} AND name = {column:String}

-- add_stamp --
-- Every row shows 1970, and new rows store it.
ALTER TABLE @table @on_cluster ADD COLUMN IF NOT EXISTS @column DateTime64(3) DEFAULT toDateTime64(0, 3)

-- write_stamp --
-- Into the parts that are there and lack the column.
ALTER TABLE @table @on_cluster MATERIALIZE COLUMN @column

-- start_stamp --
-- From here on new rows store the clock.
ALTER TABLE @table @on_cluster MODIFY COLUMN @column DateTime64(3) DEFAULT now64(3)

-- parts_without_stamp --
-- They would show another time at every reading.
SELECT count()
FROM
(
    SELECT name
    FROM system.parts_columns
    WHERE database = currentDatabase() AND table = {table:String} AND active
    GROUP BY name
    HAVING countIf(column = {column:String}) = 0
)

-- rows_from --
-- Rows that reach a view by themselves.
@stamp >= fromUnixTimestamp64Milli(@boundary)

-- rows_before --
-- Rows that a view is filled with.
@stamp < fromUnixTimestamp64Milli(@boundary)

-- rows_of_slice --
-- One of several parts of the keys.
cityHash64(@key) % @slices = @number

-- fill_view --
-- What a query gives, into a view's table.
INSERT INTO @target
@selected

-- create_view --
-- View and boundary are one fact: the comment holds the number that stands in the text.
CREATE MATERIALIZED VIEW @view @on_cluster TO @target AS
@selected
COMMENT 'rows from @boundary'

-- view_comment --
-- The boundary of a view that is there, or which shadow a table was.
SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = {name:String}

-- drop_bucket --
-- One that differs from its source is filled again.
ALTER TABLE @table @on_cluster DROP PARTITION @number

-- fingerprint --
-- Rows, and a number that depends on every one of them and not on their order.
SELECT count(), sum(cityHash64(@columns)) FROM @source

-- change_view --
-- Inserts that begin from now on are seen by this query.
ALTER TABLE @view @on_cluster MODIFY QUERY @selected

-- comment_table --
-- What a shadow is, said before it takes the place of the table: whoever finds the two knows whether it has.
ALTER TABLE @table @on_cluster MODIFY COMMENT '@said'

-- move_bucket --
-- Moved, not copied: whoever does it again moves nothing.
ALTER TABLE @table @on_cluster MOVE PARTITION @number TO TABLE @other

-- buckets_in_use --
-- Partitions that have rows.
SELECT DISTINCT bucket FROM @table

-- tables_beginning --
-- What runs that died have left.
SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, {beginning:String}) ORDER BY name

-- text_of_table --
-- What a table or view was made by: its query, its TTL.
SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = {name:String}

-- metrics_from_before --
-- Metrics of which rows may be gone that their views count.
SELECT entity_type, entity_id, metric_type FROM metric_daily_v1 WHERE day <= toDate32(toDateTime(@cutoff, 'UTC'))
UNION ALL
SELECT entity_type, entity_id, metric_type FROM metric_hourly_v1 WHERE hour <= toDateTime(@cutoff, 'UTC')

-- crucibles_from_before --
-- Crucibles of which votes may be gone that their views count.
SELECT crucible_id FROM crucible_votes_v1 WHERE first_vote <= toDateTime(@cutoff)
UNION ALL
SELECT crucible_id FROM judge_activity_v1 WHERE first_vote <= toDateTime(@cutoff)

-- held_contents --
-- What a view holds, its partial rows put together. Grouped by the table's columns: names of the answer stand for sums.
SELECT @merged, @bucket AS bucket FROM @table AS held WHERE @condition GROUP BY @grouped

-- keys_that_differ --
-- Keys of which a view shows something else than its table's rows come to: the sums of both, by a number of all columns.
SELECT name, @counted, @shown
FROM (
    SELECT @name AS name, 1 AS side, toInt128(cityHash64(@columns)) AS mixed, @sums FROM (@expected)
    UNION ALL
    SELECT @name AS name, 2 AS side, toInt128(cityHash64(@columns)) AS mixed, @sums FROM (@held)
)
WHERE @wanted
GROUP BY name
HAVING sumIf(mixed, side = 1) != sumIf(mixed, side = 2)
ORDER BY name
LIMIT {most:UInt32}
SETTINGS max_bytes_before_external_group_by = 1000000000

-- current_database --
-- Of a client that was given none.
SELECT currentDatabase()

-- sync_replica --
-- Until this replica has read what the others have written.
SYSTEM SYNC REPLICA @table
