"""The watcher's own schema; one module a table."""
