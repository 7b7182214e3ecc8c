"""Kafka's client, asked what it thinks of the settings before anything is begun with them."""

import re
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaException
from pydantic import SecretStr

from config import ConfigError, KafkaSettings


def kafka_client(kafka: KafkaSettings) -> dict[str, str]:
    """The connection as librdkafka spells it, once its client has taken that, the group's settings and the topics.

    Raises:
        ConfigError: it has not; a line for each key.
    """
    client = kafka.client()
    # Without brokers there is nobody to talk to: nothing is connected, and no group is joined.
    alone = {name: value for name, value in client.items() if name != "bootstrap.servers"}
    try:
        consumer = Consumer({**alone, **kafka.membership(), "log_level": 0})
    except KafkaException as error:
        raise ConfigError(_refused(kafka, _said(error))) from error
    try:
        if lines := list(_refused_topics(consumer, kafka)):
            raise ConfigError("\n".join(lines))
    finally:
        consumer.close()
    return client


def _refused_topics(consumer: Consumer, kafka: KafkaSettings) -> Iterator[str]:
    """One after the other, because the client does not say which of several it does not like."""
    for topic in kafka.topics:
        try:
            consumer.subscribe([topic])
        except KafkaException:
            yield (
                f"kafka.topics (CRUCIBLE_KAFKA__TOPICS): given {topic!r}, which Kafka's client refuses; a name, or a "
                "regular expression of POSIX' extended kind, is allowed"
            )


def _refused(kafka: KafkaSettings, said: str) -> str:
    """A line that names the setting, where the client names its own."""
    for name, field in KafkaSettings.model_fields.items():
        if re.search(rf"\b{name.replace('_', '[.]')}\b", said):
            value = getattr(kafka, name)
            given = "(hidden)" if isinstance(value, SecretStr) else repr(value)
            means = (field.description or "").partition(". ")[0].removesuffix(".")
            return (
                f"kafka.{name} (CRUCIBLE_KAFKA__{name.upper()}): given {given}, which Kafka's client refuses ({said}); "
                f"allowed is: {means}"
            )
    return f"kafka: Kafka's client refuses the settings: {said}"


def _said(error: KafkaException) -> str:
    return str(error.args[0].str()).strip()
