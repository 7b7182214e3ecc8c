"""The settings of Kafka's client, which is asked whether it takes them before anything is begun with them."""

import re

from pydantic import SecretStr

from config import ConfigError, KafkaSettings
from watcher.kafka.librdkafka import refused_topics, settings_fault


def kafka_client(kafka: KafkaSettings) -> dict[str, str]:
    """Return the connection as librdkafka spells it, once its client takes that, the group's settings and the topics.

    Raises:
        ConfigError: it does not; a line for each key.
    """
    client = kafka.client()
    consumer = {**client, **kafka.membership()}
    if fault := settings_fault(consumer):
        raise ConfigError(_refused(kafka, fault))
    lines = [
        f"kafka.topics (CRUCIBLE_KAFKA__TOPICS): given {topic!r}, which Kafka's client refuses; a name, or a regular "
        "expression of POSIX' extended kind, is allowed"
        for topic in refused_topics(consumer, kafka.topics)
    ]
    if lines:
        raise ConfigError("\n".join(lines))
    return client


def _refused(kafka: KafkaSettings, said: str) -> str:
    """Return a line that names the setting, where the client names its own."""
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
