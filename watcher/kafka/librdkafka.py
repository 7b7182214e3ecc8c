"""What librdkafka, Kafka's client in C, says of itself and of settings, without talking to a broker."""

from collections.abc import Iterable, Mapping
from typing import Any

import confluent_kafka
from confluent_kafka import Consumer, KafkaException


def librdkafka_version() -> str:
    """Return the version of librdkafka, like ``2.12.0``."""
    return str(confluent_kafka.libversion()[0])


def settings_fault(settings: Mapping[str, Any]) -> str:
    """Return what the client says against a consumer's settings, or the empty string if it takes them."""
    try:
        _consumer(settings).close()
    except KafkaException as error:
        return str(error.args[0].str()).strip()
    return ""


def refused_topics(settings: Mapping[str, Any], topics: Iterable[str]) -> list[str]:
    """Return those of the topics, names or regular expressions, that the client refuses to subscribe to.

    Args:
        settings: a consumer's settings in which the client finds no fault.
        topics: asked one after the other, because the client does not say which of several it does not like.
    """
    refused = []
    consumer = _consumer(settings)
    try:
        for topic in topics:
            try:
                consumer.subscribe([topic])
            except KafkaException:
                refused.append(topic)
    finally:
        consumer.close()
    return refused


def _consumer(settings: Mapping[str, Any]) -> Consumer:
    """Return a consumer without brokers: nothing is connected, and no group is joined."""
    alone = {name: value for name, value in settings.items() if name != "bootstrap.servers"}
    return Consumer({**alone, "log_level": 0})
