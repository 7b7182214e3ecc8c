"""ClickHouse's tables and views: the files of ``clickhouse_sql/migrations``, applied while a site writes."""
