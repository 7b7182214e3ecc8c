"""The neighbour PostgreSQL: connections, the watcher's own schema, reads of the site's tables."""
