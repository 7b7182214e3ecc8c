"""What Redis shows of crucibles, against PostgreSQL and ClickHouse."""
