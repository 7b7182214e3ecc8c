"""A change on its way from Kafka to the sinks."""
