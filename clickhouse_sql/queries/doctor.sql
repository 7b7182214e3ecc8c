-- tables_of_inserts --
-- The tables that inserts go to, by themselves or through a view, with their settings.
SELECT name, create_table_query
FROM system.tables
WHERE database = currentDatabase()
    AND engine LIKE '%MergeTree'
    AND (
        name IN ('entityMetricEvents', 'crucible_entry_rating')
        OR name IN (SELECT arrayJoin(dependencies_table) FROM system.tables WHERE database = currentDatabase())
        OR match(name, '_v[0-9]+$')
    )

-- max_block_rows --
-- A larger insert becomes several blocks, of which one may be there without the other.
SELECT getSetting('max_insert_block_size')
