"""What people ask of the Kafka cluster, and change in it, through the command line; the daemon has its own shell."""

import re
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType

from watcher.kafka.explained import explained
from watcher.model.errors import TemporaryError
from watcher.model.stream import Partition
from watcher.model.words import counted

if TYPE_CHECKING:
    from concurrent.futures import Future

MAX_ANSWER_SECONDS: Final = 10.0
"""Seconds to wait for an answer of the cluster."""

_ALL_DOWN: Final = "brokers are down"
"""What the client says besides the reason."""

AnswerT = TypeVar("AnswerT")
PartitionPoint = Literal["earliest", "latest"] | datetime
"""Where in a partition: its first record, its end, or its first record at or after a time."""


class KafkaAdmin:
    """The cluster, asked as its administrator.

    Args:
        client: librdkafka settings of the connection (brokers, security).
    """

    def __init__(self, client: Mapping[str, Any]) -> None:
        self.brokers = str(client.get("bootstrap.servers", ""))
        self._settings: dict[str, Any] = {**client, "log_level": 0}  # its answers say it better
        self._faults: list[str] = []
        callbacks: dict[str, Any] = {"error_cb": lambda error: self._faults.append(error.str())}
        self._client = AdminClient(self._settings | callbacks)

    def topics(self) -> dict[str, int]:
        """Return every topic with its number of partitions.

        Raises:
            TemporaryError: no broker answers.
        """
        try:
            found = self._client.list_topics(timeout=MAX_ANSWER_SECONDS).topics
        except KafkaException as error:
            self._client.poll(0)  # has it tell what it has met; its answer is that there was none
            met = next((one for one in self._faults if _ALL_DOWN not in one), "")
            raise TemporaryError(f"kafka at {self.brokers} does not answer: {explained(met) or said(error)}") from error
        return {name: len(topic.partitions) for name, topic in found.items() if topic.error is None}

    def matching(self, wanted: Iterable[str]) -> list[str]:
        """Return the topics that a subscription to ``wanted`` follows; a name beginning with ``^`` is an expression."""
        names, wanted = sorted(self.topics()), list(wanted)
        plain = [name for name in wanted if not name.startswith("^") and name in names]
        expressions = [re.compile(name) for name in wanted if name.startswith("^")]
        return list(dict.fromkeys([*plain, *(name for name in names if any(one.match(name) for one in expressions))]))

    def topic_id(self, topic: str) -> str:
        """Return Kafka's id of a topic, as the group's markers keep it."""
        asked = self._client.describe_topics(TopicCollection([topic]), request_timeout=MAX_ANSWER_SECONDS)
        return str(self._answer(asked[topic], f"topic {topic}").topic_id)

    def bounds(self, places: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
        """Return the first offset that each partition still holds, and the next one that it will give."""
        places = list(places)
        low, high = self.offsets(places, "earliest"), self.offsets(places, "latest")
        return {place: (low[place], high[place]) for place in places}

    def offsets(self, places: Iterable[Partition], moment: PartitionPoint) -> dict[Partition, int]:
        """Return the offset of a moment in each partition; -1 where it is a time after the last record."""
        spec = _spec(moment)
        asked = self._client.list_offsets(
            {TopicPartition(*place): spec for place in places}, request_timeout=MAX_ANSWER_SECONDS
        )
        return {(one.topic, one.partition): self._answer(answer, "offsets").offset for one, answer in asked.items()}

    def committed(self, group: str, places: Iterable[Partition]) -> dict[Partition, tuple[int, str | None]]:
        """Return the offset and metadata that a group has committed for each of the partitions, where it has.

        Asked by a consumer that joins nothing: the administrator's own question ends the process where the broker is
        not, or not yet, the group's coordinator, as for any group on a fresh cluster (confluentinc/librdkafka#5040).

        Raises:
            TemporaryError: the coordinator does not answer.
        """
        consumer = Consumer({**self._settings, "group.id": group, "enable.auto.commit": False})
        try:
            answers = consumer.committed([TopicPartition(*place) for place in places], timeout=MAX_ANSWER_SECONDS)
        except KafkaException as error:
            raise TemporaryError(f"kafka at {self.brokers}: offsets of group {group}: {said(error)}") from error
        finally:
            consumer.close()
        for one in answers:
            if one.error:
                raise TemporaryError(f"kafka at {self.brokers}: {one.topic}[{one.partition}]: {one.error.str()}")
        return {(one.topic, one.partition): (one.offset, one.metadata) for one in answers if one.offset >= 0}

    def records_after(self, places: Mapping[Partition, int], most: int) -> int:
        """Return how many records a reader who is at these offsets would still get, and at most so many.

        What transactions leave in a partition, and what was rolled back, is no record.

        Raises:
            TemporaryError: the cluster does not answer in time.
        """
        settings = {"group.id": "crucible-doctor", "enable.auto.commit": False, "enable.partition.eof": True}
        consumer = Consumer({**self._settings, **settings, "isolation.level": "read_committed"})
        at_end, records, until = set[Partition](), 0, time.monotonic() + MAX_ANSWER_SECONDS
        try:
            consumer.assign([TopicPartition(*place, offset) for place, offset in places.items()])
            while len(at_end) < len(places) and records < most:
                message = consumer.poll(1.0)
                if message is None:
                    if time.monotonic() > until:
                        of = counted(len(places), "partition")
                        raise TemporaryError(f"kafka at {self.brokers}: no end of {of} was found")
                elif (error := message.error()) is None:
                    records += 1
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - that is its name in the client
                    at_end.add((str(message.topic()), message.partition() or 0))
        finally:
            consumer.close()
        return records

    def move(self, group: str, offsets: Mapping[Partition, int]) -> dict[Partition, str]:
        """Commit other offsets for a group that nobody is in.

        Returns:
            What the cluster says against each partition that it did not move.

        Raises:
            TemporaryError: the cluster does not answer, or refuses the request.
        """
        wanted = [TopicPartition(*place, offset) for place, offset in offsets.items()]
        asked = self._client.alter_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, wanted)], request_timeout=MAX_ANSWER_SECONDS
        )
        answers = [self._answer(answer, f"offsets of group {group}") for answer in asked.values()]
        moved = [one for answer in answers for one in answer.topic_partitions or []]
        return {(one.topic, one.partition): one.error.str() for one in moved if one.error}

    def delete_before(self, offsets: Mapping[Partition, int]) -> None:
        """Delete the records of partitions that lie before these offsets; Kafka deletes no others.

        Raises:
            TemporaryError: the cluster does not answer, or refuses, as it does for a topic that it compacts.
        """
        wanted = [TopicPartition(*place, offset) for place, offset in offsets.items()]
        for one, answer in self._client.delete_records(wanted, request_timeout=MAX_ANSWER_SECONDS).items():
            self._answer(answer, f"records of {one.topic}[{one.partition}]")

    def members(self, group: str) -> list[str]:
        """Return who is in a group now, by client id and host."""
        asked = self._client.describe_consumer_groups([group], request_timeout=MAX_ANSWER_SECONDS)[group]
        return [f"{one.client_id}@{one.host}" for one in self._answer(asked, f"group {group}").members]

    def size(self) -> tuple[int, int]:
        """Return how many brokers and topics the cluster has."""
        found = self._client.list_topics(timeout=MAX_ANSWER_SECONDS)
        return len(found.brokers), len(found.topics)

    def topic_settings(self, topic: str) -> dict[str, str]:
        """Return what a topic is configured with, defaults included."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        asked = self._client.describe_configs([resource], request_timeout=MAX_ANSWER_SECONDS)
        found = self._answer(asked[resource], f"settings of topic {topic}")
        return {name: str(entry.value) for name, entry in found.items()}

    def broker_setting(self, name: str) -> str | None:
        """Return a setting of some broker, or None where the cluster does not tell."""
        broker = next(iter(self._client.list_topics(timeout=MAX_ANSWER_SECONDS).brokers))
        resource = ConfigResource(ResourceType.BROKER, str(broker))
        asked = self._client.describe_configs([resource], request_timeout=MAX_ANSWER_SECONDS)
        found = self._answer(asked[resource], "settings of a broker").get(name)
        return None if found is None else str(found.value)

    def _answer(self, future: "Future[AnswerT]", what: str) -> AnswerT:
        """Return an answer, once it is there.

        Raises:
            TemporaryError: there is none, or it is a refusal.
        """
        try:
            return future.result(MAX_ANSWER_SECONDS + 5)
        except (KafkaException, TimeoutError) as error:
            raise TemporaryError(f"kafka at {self.brokers}: {what}: {said(error)}") from error


def _spec(moment: PartitionPoint) -> Any:  # the client's factories are not typed
    if isinstance(moment, datetime):
        return OffsetSpec.for_timestamp(int(moment.timestamp() * 1000))
    return OffsetSpec.earliest() if moment == "earliest" else OffsetSpec.latest()


def said(error: Exception) -> str:
    """Return what Kafka's client says of an error, without its codes."""
    inner = error.args[0] if error.args else error
    return inner.str() if hasattr(inner, "str") else str(inner)
