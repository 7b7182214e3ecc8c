-- tables_of_inserts --
-- Tables that keep rows, and what fills them by itself: which table feeds which views, and what each was made by.
SELECT database, name, engine, create_table_query, toString(uuid), arrayZip(dependencies_database, dependencies_table)
FROM system.tables
WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema')
    AND (engine LIKE '%MergeTree' OR engine IN ('MaterializedView', 'Buffer', 'Null', 'Distributed'))

-- max_block_rows --
-- A larger insert becomes several blocks, of which one may be there without the other.
SELECT getSetting('max_insert_block_size')
