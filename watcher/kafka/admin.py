"""Questions to the Kafka cluster that people ask through the command line; the daemon has its own shell."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType

from watcher.model.errors import TemporaryError

if TYPE_CHECKING:
    from concurrent.futures import Future

TIMEOUT: Final = 10.0
"""Seconds to wait for an answer of the cluster."""

AnswerT = TypeVar("AnswerT")
Place = tuple[str, int]
"""Topic and partition."""


class KafkaAdmin:
    """The cluster, asked as its administrator.

    Args:
        client: librdkafka settings of the connection (brokers, security).
    """

    def __init__(self, client: Mapping[str, Any]) -> None:
        self.brokers = str(client.get("bootstrap.servers", ""))
        self._settings = {**client, "log_level": 0}  # its answers say it better
        self.client = AdminClient(self._settings)

    def topics(self) -> dict[str, int]:
        """Every topic with its number of partitions.

        Raises:
            TemporaryError: no broker answers.
        """
        try:
            found = self.client.list_topics(timeout=TIMEOUT).topics
        except KafkaException as error:
            raise TemporaryError(f"kafka at {self.brokers} does not answer: {said(error)}") from error
        return {name: len(topic.partitions) for name, topic in found.items() if topic.error is None}

    def matching(self, wanted: Iterable[str]) -> list[str]:
        """The topics that a subscription to ``wanted`` follows; a name beginning with ``^`` is an expression."""
        names, wanted = sorted(self.topics()), list(wanted)
        plain = [name for name in wanted if not name.startswith("^") and name in names]
        expressions = [re.compile(name) for name in wanted if name.startswith("^")]
        return list(dict.fromkeys([*plain, *(name for name in names if any(one.match(name) for one in expressions))]))

    def topic_id(self, topic: str) -> str:
        """Kafka's id of a topic, as the group's markers keep it."""
        asked = self.client.describe_topics(TopicCollection([topic]), request_timeout=TIMEOUT)
        return str(self.answer(asked[topic], f"topic {topic}").topic_id)

    def bounds(self, places: Iterable[Place]) -> dict[Place, tuple[int, int]]:
        """The first offset that each partition still holds, and the next one that it will give."""
        places = list(places)
        low = self.offsets(places, OffsetSpec.earliest())
        high = self.offsets(places, OffsetSpec.latest())
        return {place: (low[place], high[place]) for place in places}

    def offsets(self, places: Iterable[Place], spec: OffsetSpec) -> dict[Place, int]:
        """One offset a partition; -1 where a time is asked for after which there is no record."""
        asked = self.client.list_offsets({TopicPartition(*place): spec for place in places}, request_timeout=TIMEOUT)
        return {(one.topic, one.partition): self.answer(answer, "offsets").offset for one, answer in asked.items()}

    def committed(self, group: str, places: Iterable[Place]) -> dict[Place, tuple[int, str | None]]:
        """What a group has committed for the partitions, with its metadata; those without an offset are left out.

        Asked by a consumer that joins nothing: the administrator's own question ends the process where the broker is
        not, or not yet, the group's coordinator, as for any group on a fresh cluster (confluentinc/librdkafka#5040).

        Raises:
            TemporaryError: the coordinator does not answer.
        """
        consumer = Consumer({**self._settings, "group.id": group, "enable.auto.commit": False})
        try:
            answers = consumer.committed([TopicPartition(*place) for place in places], timeout=TIMEOUT)
        except KafkaException as error:
            raise TemporaryError(f"kafka at {self.brokers}: offsets of group {group}: {said(error)}") from error
        finally:
            consumer.close()
        for one in answers:
            if one.error:
                raise TemporaryError(f"kafka at {self.brokers}: {one.topic}[{one.partition}]: {one.error.str()}")
        return {(one.topic, one.partition): (one.offset, one.metadata) for one in answers if one.offset >= 0}

    def topic_settings(self, topic: str) -> dict[str, str]:
        """What a topic is configured with, defaults included."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        asked = self.client.describe_configs([resource], request_timeout=TIMEOUT)
        found = self.answer(asked[resource], f"settings of topic {topic}")
        return {name: str(entry.value) for name, entry in found.items()}

    def broker_setting(self, name: str) -> str | None:
        """A setting of some broker, or None where the cluster does not tell."""
        broker = next(iter(self.client.list_topics(timeout=TIMEOUT).brokers))
        resource = ConfigResource(ResourceType.BROKER, str(broker))
        asked = self.client.describe_configs([resource], request_timeout=TIMEOUT)
        found = self.answer(asked[resource], "settings of a broker").get(name)
        return None if found is None else str(found.value)

    def answer(self, future: "Future[AnswerT]", what: str) -> AnswerT:
        """Wait for an answer.

        Raises:
            TemporaryError: there is none, or it is a refusal.
        """
        try:
            return future.result(TIMEOUT + 5)
        except (KafkaException, TimeoutError) as error:
            raise TemporaryError(f"kafka at {self.brokers}: {what}: {said(error)}") from error


def said(error: Exception) -> str:
    """What Kafka's client says of an error, without its codes."""
    inner = error.args[0] if error.args else error
    return inner.str() if hasattr(inner, "str") else str(inner)
