"""Debezium's connector in Kafka Connect: its file, what is deployed, and the difference."""
