"""A vote on its way from Redis to ClickHouse."""
