"""The neighbour Kafka: the consumer, dead letters, administration."""
