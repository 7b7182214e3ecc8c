-- schema_exists --
-- CREATE SCHEMA IF NOT EXISTS wants a right on the database even if the schema is there, so it is looked for first.
SELECT 1 FROM pg_namespace WHERE nspname = %s

-- make_schema --
-- Where the administrator has not made it, and the role may.
CREATE SCHEMA {schema}

-- make_table --
-- Which files of the migrations were applied, and with which content.
CREATE TABLE IF NOT EXISTS {schema}.migration (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    checksum   text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)

-- table_exists --
-- A schema that is new, or older than this table, has none.
SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = 'migration'

-- tables --
-- One that a migration made and that is not among them was dropped.
SELECT tablename::text FROM pg_tables WHERE schemaname = %s

-- applied --
-- All that were ever applied, those of a newer version too.
SELECT version, name, checksum, applied_at FROM {schema}.migration ORDER BY version

-- note --
-- In the transaction of the migration itself.
INSERT INTO {schema}.migration (version, name, checksum) VALUES (%s, %s, %s)
RETURNING version, name, checksum, applied_at
