"""The consumer's shell where its client gives up for good, with a client that does as it is told."""

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from confluent_kafka import KafkaError, KafkaException

from watcher.kafka import source as module
from watcher.kafka.source import GROUP_REFUSED_SECONDS, REFUSED_SECONDS, KafkaSource
from watcher.model.errors import RefusedError, StopError
from watcher.model.stream import AssignmentListener


class Message:
    """What the client hands out for a record or an error."""

    def __init__(self, error: Any = None) -> None:
        self._error = error

    def error(self) -> Any:
        return self._error

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return 0


class Client:
    """A consumer that hands out what it was given."""

    made: ClassVar[list["Client"]] = []

    def __init__(self, _settings: Any) -> None:
        self.messages: list[Message] = []
        self.subscribed: list[list[str]] = []
        self.closed = False
        self.refusal: KafkaError | None = None
        """What a commit is answered with."""
        self.made.append(self)

    def subscribe(self, topics: list[str], **_: Any) -> None:
        self.subscribed.append(topics)

    def poll(self, _seconds: float) -> Message | None:
        return self.messages.pop(0) if self.messages else None

    def commit(self, **_: Any) -> list[Any]:
        if self.refusal is not None:
            raise KafkaException(self.refusal)
        return []

    def close(self) -> None:
        self.closed = True


class Administrator:
    """One that may see everything, and is asked of topics alone: of a group it would end the process."""

    def list_topics(self, **_: Any) -> Any:
        return SimpleNamespace(brokers=[1])

    def describe_topics(self, topics: Any, **_: Any) -> dict[str, Any]:
        """Nothing of any."""
        return {}


class Clock:
    """Stands still until it is moved."""

    at = 100.0

    def now(self) -> float:
        return self.at


def fatal(why: str) -> Message:
    return Message(KafkaError(KafkaError._FATAL, f"Fatal error: {why}", fatal=True))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    still = Clock()
    Client.made.clear()
    monkeypatch.setattr(module, "Consumer", Client)
    monkeypatch.setattr(module, "AdminClient", lambda *_, **__: Administrator())
    monkeypatch.setattr(module, "Message", Message)
    monkeypatch.setattr(module, "clock", still)
    return still


def following(lost: list[Any], told: list[str]) -> KafkaSource:
    listener = AssignmentListener(assigned=lambda _: {}, revoked=pytest.fail, lost=lost.append)
    source = KafkaSource({}, {"group.id": "g"}, listener, told.append)
    source.subscribe(["t", "t"])
    source._assigned.add(("t", 0))
    return source


def test_a_group_that_refuses_us_is_joined_again_after_a_while(clock: Clock) -> None:
    """By another client, for this one does nothing any more; partitions are given up, and what is said names ACLs."""
    lost, told = list[Any](), list[str]()
    source = following(lost, told)
    first = Client.made[0]
    first.messages.append(fatal("Broker: Group authorization failed"))

    assert source.poll(1, 0.0) == []
    (_, second) = Client.made
    assert (lost, first.closed, second.subscribed) == ([[("t", 0)]], True, [])
    assert "ACLs" in told[0]
    second.messages.append(Message())
    clock.at += REFUSED_SECONDS
    assert len(source.poll(1, 0.0)) == 1
    assert second.subscribed == [["t"]]


def test_another_process_with_our_id_ends_us(clock: Clock) -> None:
    """The control: two of one name would take the partitions from each other for ever."""
    source = following([], [])
    Client.made[0].messages.append(
        fatal("Broker: Static consumer fenced by other consumer with same group.instance.id")
    )

    with pytest.raises(StopError, match=r"kafka\.group_instance_id"):
        source.poll(1, 0.0)


def test_a_group_that_may_not_be_read_is_known_from_what_its_members_are_told(clock: Clock) -> None:
    """From a commit, or a word of the client; it is well again once a commit goes through, or nothing more is heard."""
    source = following([], [])
    client = Client.made[0]
    assert source.ping() == "1 broker"

    client.refusal = KafkaError(
        KafkaError.GROUP_AUTHORIZATION_FAILED, "Commit failed: Broker: Group authorization failed"
    )
    assert list(source.commit({("t", 0): (5, "")})) == [("t", 0)]
    with pytest.raises(RefusedError, match="group g may not be read"):
        source.ping()
    client.refusal = None
    assert source.commit({("t", 0): (5, "")}) == {}
    assert source.ping() == "1 broker"

    client.messages.append(Message(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED, "Group authorization failed")))
    source.poll(1, 0.0)
    with pytest.raises(RefusedError, match="group g may not be read"):
        source.ping()
    clock.at += GROUP_REFUSED_SECONDS
    assert source.ping() == "1 broker"


@pytest.mark.parametrize(
    "code", [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION]
)
def test_a_topic_that_no_broker_knows_is_told_as_such(clock: Clock, code: int) -> None:
    """It may be there and the broker not know it yet: that it does not exist would be said of one that does."""
    told = list[str]()
    source = following([], told)
    Client.made[0].messages.append(Message(KafkaError(code, "Unknown topic or partition")))

    assert source.poll(1, 0.0) == []
    assert told == ["t[0]: no broker knows it yet; if that goes on, start the connector or mend kafka.topics"]
