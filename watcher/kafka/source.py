"""The change streams in Kafka: a thin shell around confluent-kafka's consumer.

Everything that decides is elsewhere. What is decided here is what the client may not do by itself: no automatic
commits, no automatic reset of a lost offset (``auto.offset.reset=error``), no uncommitted records (``read_committed``).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka import TopicCollection as Topics
from confluent_kafka.admin import AdminClient

from watcher.kafka.explained import explained
from watcher.kafka.refusals import check_rights, fault, refuse
from watcher.model.change import Position
from watcher.model.errors import OffsetLostError, StopError, TemporaryError
from watcher.model.stream import AssignmentListener, Committed, Partition
from watcher.model.table_pause import table_of
from watcher.model.words import counted
from watcher.runtime import clock

if TYPE_CHECKING:
    from concurrent.futures import Future

QUIET: Final = {"log_level": 0}
"""Keeps the client from writing lines of its own past our logs, one for each try to connect; its errors are logged."""
CALL_TIMEOUT_SECONDS: Final = 10.0
"""How long a call to the broker may take before it counts as failed and is made again later."""

REFUSED_SECONDS: Final = 5.0
"""Seconds until a group that refuses us is joined again. Longer: it is noticed later that it does not; shorter: it is
hammered."""
GROUP_REFUSED_SECONDS: Final = 30.0
"""Seconds for which it stands that a group may not be read. Shorter than between two words of the client about it: the
neighbour looks well in between; longer: it is told for longer than it lasts."""
NOT_AUTHORIZED: Final = "Group authorization failed"
"""What the client says of a right that is missing, in an error that has no code but that it is fatal."""

OFFSET_LOST: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001
TOPIC_AWAY: Final = frozenset(
    {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}  # noqa: SLF001
)


class KafkaSource:
    """A member of the consumer group; see :class:`watcher.changes.source.Source`.

    Args:
        client: librdkafka settings of the connection (brokers, security).
        membership: librdkafka settings of the group (protocol, timeouts, static id).
        listener: is told of changes to the assignment.
        report: takes a sentence about something that the client mends by itself.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        membership: Mapping[str, Any],
        listener: AssignmentListener,
        report: Callable[[str], None],
    ) -> None:
        self._listener = listener
        self._group = str(membership["group.id"])
        self._subscribed: list[str] = []
        self._report = report
        self._failure: Exception | None = None
        self._assigned: set[Partition] = set()
        self._ends: dict[Partition, int] = {}
        self._paused = False
        self._held: frozenset[str] = frozenset()
        self._looking: dict[str, Future[Any]] = {}
        self._admin = AdminClient({**client, **QUIET}, logger=None)
        self._settings: dict[str, Any] = {
            **client,
            **QUIET,
            **membership,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "allow.auto.create.topics": False,
            # New topics and partitions are found within this; the connector makes them after we subscribe.
            "topic.metadata.refresh.interval.ms": 2_000,
            "enable.partition.eof": True,  # tells where records end, which transaction markers hide
            # What librdkafka holds for us. Smaller: the loop starves; larger: memory.
            "queued.max.messages.kbytes": 32_768,
            "fetch.queue.backoff.ms": 20,
            "error_cb": self._report_fault,
        }
        self._consumer = Consumer(self._settings)
        self._group_refused_until = float("-inf")
        """Until when it stands that the group may not be read, which its members are told again and again."""
        self._join_at: float | None = None
        """When to join the group again that has refused us; None while we are in it, or on our way."""

    def _report_fault(self, error: KafkaError) -> None:
        self._hear(error.str())
        self._report(explained(error.str()))

    def subscribe(self, topics: Sequence[str]) -> None:
        """Join the group for these topics; a name beginning with ``^`` is a regular expression."""
        self._subscribed = list(dict.fromkeys(topics))  # a name that is there twice is invalid to the client
        self._join()

    def _join(self) -> None:
        self._join_at = None
        self._consumer.subscribe(
            self._subscribed, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def _begin_anew(self, said: str) -> None:
        """Give everything up and make another client, which joins after a while: this one does nothing any more."""
        self._report(f"{said}; see the ACLs of the watcher's user. It joins again after {REFUSED_SECONDS:g} s")
        partitions = sorted(self._assigned)
        self._assigned.clear()
        self._ends.clear()
        self._listener.lost(partitions)
        self._consumer.close()
        self._consumer = Consumer(self._settings)
        self._join_at = clock.now() + REFUSED_SECONDS

    def poll(self, limit: int, patience: float, gather: float = 0.0) -> list[Message]:
        """Return the records that came, in order within each partition.

        Args:
            limit: most records to return.
            patience: seconds to wait for the first one; the call returns as soon as it is there.
            gather: seconds to wait for more of them once one is there.

        Raises:
            OffsetLostError: the group's place in a partition is gone.
            StopError: the client cannot go on, for example because another process took its static id.
        """
        # ``consume`` alone waits until it has all that it may return, or for as long as it may: it would turn us around
        # many times a second while nothing comes, and would hold back a single record for as long.
        first = self._first(patience)
        if first is None:
            return []
        messages = [first]
        if limit > 1:
            messages += self._consumer.consume(limit - 1, gather)
            self._raise_failure()
        if any(map(Message.error, messages)):
            messages = [message for message in messages if message.error() is None or not self._refused(message)]
        return messages

    def _first(self, patience: float) -> Message | None:
        """Return the next record, None after so many seconds; what is no record, as a partition's end, is noted."""
        until = clock.now() + patience
        if self._join_at is not None and clock.now() >= self._join_at:
            self._join()
        while True:
            message = self._consumer.poll(max(0.0, until - clock.now()))
            self._raise_failure()
            if message is None or not self._refused(message):
                return message

    def pause(self) -> None:
        """Deliver nothing until ``resume``, also from partitions that are assigned meanwhile."""
        if not self._paused:
            self._paused = True
            self._consumer.pause([TopicPartition(*partition) for partition in self._assigned])

    def resume(self) -> None:
        """Deliver again, from where it paused."""
        if self._paused:
            self._paused = False
            self._consumer.resume([TopicPartition(*one) for one in self._assigned if not self._is_held(one)])

    def hold(self, tables: Collection[str]) -> None:
        """Deliver nothing from the topics of these tables, and from those of all others as before."""
        before = [one for one in self._assigned if self._is_held(one)]
        self._held = frozenset(tables)
        if self._paused:
            return
        now = [one for one in self._assigned if self._is_held(one)]
        self._consumer.pause([TopicPartition(*one) for one in now if one not in before])
        self._consumer.resume([TopicPartition(*one) for one in before if one not in now])

    def _is_held(self, partition: Partition) -> bool:
        return table_of(partition[0]) in self._held

    @property
    def paused(self) -> int:
        """Return the number of partitions that are not delivered from since ``pause``."""
        return len(self._assigned) if self._paused else 0

    def commit(self, offsets: Mapping[Partition, tuple[int, str]]) -> dict[Partition, str]:
        """Commit offsets with their metadata, in one request.

        Returns:
            what went wrong, per partition; those absent are committed.
        """
        wanted = [
            TopicPartition(topic, partition, offset, metadata)
            for (topic, partition), (offset, metadata) in offsets.items()
        ]
        try:
            answers = self._consumer.commit(offsets=wanted, asynchronous=False) or []
        except KafkaException as error:
            self._hear(str(error))
            return dict.fromkeys(offsets, str(error))
        self._group_refused_until = float("-inf")
        return {(one.topic, one.partition): one.error.str() for one in answers if one.error}

    def _hear(self, said: str) -> None:
        """Note what the client says, if it is that the group may not be read."""
        if NOT_AUTHORIZED in said:
            self._group_refused_until = clock.now() + GROUP_REFUSED_SECONDS

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, Committed]:
        """Return what the group has committed.

        Raises:
            TemporaryError: the coordinator does not answer.
        """
        wanted = [TopicPartition(*partition) for partition in partitions]
        try:
            answers = self._consumer.committed(wanted, timeout=CALL_TIMEOUT_SECONDS)
        except KafkaException as error:
            raise fault(f"kafka: committed offsets: {error}", error) from error
        found = {}
        for one in answers:
            if one.error:
                raise TemporaryError(f"kafka: committed offset of {one.topic}[{one.partition}]: {one.error.str()}")
            found[one.topic, one.partition] = Committed(one.offset if one.offset >= 0 else None, one.metadata)
        return found

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """Return Kafka's ids of the topics; they differ when a topic of the same name is made anew.

        Raises:
            TemporaryError: the broker does not answer.
        """
        asked = self._admin.describe_topics(Topics(sorted(topics)), request_timeout=CALL_TIMEOUT_SECONDS)
        try:
            return {name: str(answer.result(CALL_TIMEOUT_SECONDS * 2).topic_id) for name, answer in asked.items()}
        except (KafkaException, TimeoutError) as error:
            raise fault(f"kafka: topic ids: {error}", error) from error

    def look_for_topics(self) -> None:
        """Ask for the ids of the assigned topics, unless that is under way; ``topics_found`` has the answer later."""
        topics = sorted({topic for topic, _ in self._assigned})
        if topics and not self._looking:
            self._looking = self._admin.describe_topics(Topics(topics), request_timeout=CALL_TIMEOUT_SECONDS)

    def topics_found(self) -> dict[str, str]:
        """Return the answer to ``look_for_topics``, once; empty until it is there, and without topics that are not."""
        if not self._looking or not all(answer.done() for answer in self._looking.values()):
            return {}
        answers, self._looking = self._looking, {}
        return {name: str(one.result().topic_id) for name, one in answers.items() if one.exception() is None}

    def bounds(self, partition: Partition) -> tuple[int, int]:
        """Return the first offset that the topic still holds, and the next one that it will give.

        Raises:
            TemporaryError: the broker does not answer.
        """
        try:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(*partition), timeout=CALL_TIMEOUT_SECONDS)
        except KafkaException as error:
            raise fault(f"kafka: offsets of {partition[0]}[{partition[1]}]: {error}", error) from error
        return low, high

    def high_water(self, partition: Partition) -> int | None:
        """Return the next offset that the topic will give, as of the last fetch; None before the first."""
        try:
            bounds = self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)
        except KafkaException:
            return None
        return bounds[1] if bounds is not None and bounds[1] >= 0 else None

    def at_end(self, partition: Partition) -> bool:
        """Return whether every record up to the high-water mark was delivered.

        A topic that is written in transactions ends with a marker, which counts as an offset and is never delivered.
        """
        return self._ends.get(partition) == self.high_water(partition) and not self._is_held(partition)

    def ping(self) -> str:
        """Return what the broker says of the cluster.

        Raises:
            KafkaException: there is none.
            RefusedError: what is to be read may not be.
        """
        cluster = self._admin.list_topics(timeout=5.0)
        # Those that it wants, too: the group takes a topic away from who may not read it.
        wanted = {topic for topic in self._subscribed if not topic.startswith("^")}
        topics = wanted | {topic for topic, _ in tuple(self._assigned)}
        check_rights(self._admin, sorted(topics))
        refuse([f"group {self._group}"] if clock.now() < self._group_refused_until else [])
        return counted(len(cluster.brokers), "broker")

    def close(self) -> None:
        """Leave the group; the listener hears of every partition that is given up."""
        self._consumer.close()

    def _refused(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return False
        where = f"{message.topic()}[{message.partition()}]"
        self._hear(error.str())
        if error.code() in OFFSET_LOST:
            raise OffsetLostError(Position(message.topic() or "", message.partition() or 0, message.offset() or 0))
        if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001
            if NOT_AUTHORIZED in error.str():
                # By the protocol ``consumer`` alone; where clients rebalance, this one asks again by itself.
                self._begin_anew(error.str())
                return True
            raise StopError(f"kafka: {error.str()}; another process may run with the same kafka.group_instance_id")
        if error.code() == KafkaError.INVALID_SESSION_TIMEOUT:  # the client would ask again, and be told so, for ever
            raise StopError(
                f"kafka: {error.str()}; kafka.session_timeout (CRUCIBLE_KAFKA__SESSION_TIMEOUT) must lie between the "
                "broker's group.min.session.timeout.ms and group.max.session.timeout.ms"
            )
        if error.code() in TOPIC_AWAY:
            self._report(f"{where}: no broker knows it yet; if that goes on, start the connector or mend kafka.topics")
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
            self._ends[message.topic() or "", message.partition() or 0] = message.offset() or 0
        else:
            self._report(f"{where}: {error.str()}")
        return True

    def _on_assign(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        partitions = [(one.topic, one.partition) for one in given]
        try:
            starts = self._listener.assigned(partitions)
        except Exception as error:  # noqa: BLE001 - raised again by poll; a callback's own would be lost in C
            self._failure = error
            return
        self._group_refused_until = float("-inf")
        assignment = [TopicPartition(topic, partition, starts[topic, partition]) for topic, partition in partitions]
        consumer.incremental_assign(assignment)
        self._assigned.update(partitions)
        waiting = [one for one in assignment if self._paused or self._is_held((one.topic, one.partition))]
        if waiting:
            consumer.pause(waiting)

    def _on_revoke(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        self._give_up(consumer, taken, self._listener.revoked)

    def _on_lost(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        self._give_up(consumer, taken, self._listener.lost)

    def _give_up(
        self, consumer: Consumer, taken: list[TopicPartition], tell: Callable[[list[Partition]], None]
    ) -> None:
        partitions = [(one.topic, one.partition) for one in taken]
        try:
            tell(partitions)
        except Exception as error:  # noqa: BLE001 - as above
            self._failure = error
        self._assigned.difference_update(partitions)
        consumer.incremental_unassign(taken)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
