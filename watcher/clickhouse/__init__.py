"""The neighbour ClickHouse: client, planned inserts, questions."""
