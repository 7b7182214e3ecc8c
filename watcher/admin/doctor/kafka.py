"""Kafka's side: the topics keep records long enough and whole, the group has its place, the dead letters are few."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from watcher.admin import dead_letters_seen
from watcher.admin.doctor.findings import Finding, fail, judged, ok, warn
from watcher.admin.offsets import group_places
from watcher.kafka.admin import KafkaAdmin
from watcher.model.plan import MAX_METADATA_BYTES
from watcher.model.words import counted

DAY_MS: Final = 86_400_000
MIN_RETENTION_MS: Final = DAY_MS
"""Milliseconds of retention below which an outage over a weekend loses records that nobody read."""
MIN_RECORD_BYTES: Final = 1_048_588
"""Bytes that a record may have at least: Kafka's own default. A crucible's row with both images of it fits."""


DoneLetters = Callable[[str, int, int], int]
"""From the id of the letters' topic, a partition and an offset to how many letters from there on are done."""

RefusedChanges = Callable[[], Mapping[str, int]]
"""Returns how many changes were refused since they were last seen to, by table."""

MAX_LOOKED_AT: Final = 1_000
"""Records behind that are looked at, whether they are any; of more it does not matter."""


def cluster(admin: KafkaAdmin) -> Iterator[Finding]:
    """Find whether a broker answers."""
    brokers, topics_there = admin.size()
    yield ok("kafka.cluster", f"{counted(brokers, 'broker')}, {counted(topics_there, 'topic')}")


def topics(admin: KafkaAdmin, wanted: Sequence[str], heartbeat: str) -> Iterator[Finding]:
    """Find whether the change streams exist, drop nothing by key, and keep records for a day at least."""
    there = admin.topics()
    for topic in wanted:
        if topic.startswith("^"):
            found = admin.matching([topic])
            if not found:
                yield warn(f"kafka.topic.{topic}", "matches no topic yet", _APPLY)
            for one in found:
                yield from _topic(admin, one, there[one])
        elif topic in there:
            yield from _topic(admin, topic, there[topic])
        else:
            yield warn(f"kafka.topic.{topic}", "does not exist yet; its first change makes it", _APPLY)
    if heartbeat:
        advice = f"{_APPLY}; without it a stalled stream looks like an idle one (kafka.heartbeat_topic)"
        name = f"kafka.topic.{heartbeat}"
        yield ok(name, "exists") if heartbeat in there else warn(name, "does not exist", advice)


def registered(admin: KafkaAdmin, wanted: Sequence[str], tables: Mapping[str, str]) -> Iterator[Finding]:
    """Find whether what is read and what has handlers are the same tables.

    Args:
        admin: the cluster.
        wanted: topics and expressions that the watcher reads.
        tables: names of the registered tables, each with the topic that the shipped connectors send its changes to.
    """
    read = dict.fromkeys([*admin.matching(wanted), *(topic for topic in wanted if not topic.startswith("^"))])
    named = {topic.rpartition(".")[2] for topic in read}
    unread = [topic for table, topic in tables.items() if table not in named]
    unknown = [topic for topic in read if topic.rpartition(".")[2] not in tables]
    if unread:
        yield warn(
            "kafka.tables",
            f"nobody reads {', '.join(unread)}, though there are handlers",
            "add to kafka.topics what the connector calls these topics",
        )
    if unknown:
        yield warn(
            "kafka.topics",
            f"{', '.join(unknown)}: no handler is registered under that name",
            "each record becomes a dead letter: take it out of kafka.topics, or register a handler for it",
        )
    if not unread and not unknown:
        yield ok("kafka.tables", f"{counted(len(tables), 'table')} with handlers, each with a topic that is read")


def dead_letters(
    admin: KafkaAdmin, topic: str, group: str, done: DoneLetters | None = None, refused: RefusedChanges = dict
) -> Iterator[Finding]:
    """Find whether dead letters stay until somebody looks, and there are none that nobody has looked at.

    Args:
        admin: the cluster.
        topic: the dead letters'.
        group: the watcher's consumer group.
        done: tells how many letters are done of a topic's id, a partition, and from an offset on; None: nobody knows.
        refused: tells which changes the letters have to be of.
    """
    name = "kafka.dead_letters"
    missed, partitions = refused(), admin.topics().get(topic)
    yield from _lost_letters(admin, topic, partitions, missed)
    if partitions is None:
        if not missed:
            yield ok(name, f"{topic} does not exist yet; it is made before the first letter")
        return
    settings = admin.topic_settings(topic)
    if settings.get("retention.ms") != "-1":
        yield warn(
            "kafka.dead_letters.retention",
            f"{topic} keeps letters for {_days(settings)}, counted from their record's time",
            f"set retention.ms=-1 on {topic}: a letter of an old record may be gone before anybody reads it",
        )
    if "compact" in settings.get("cleanup.policy", "delete"):
        yield fail(
            "kafka.dead_letters.policy",
            f"{topic} is compacted: of the letters of a row all but the newest go",
            f"set cleanup.policy=delete on {topic}",
        )
    done_from = partial(done, admin.topic_id(topic)) if done else dead_letters_seen.none_done
    new, seen = dead_letters_seen.since_seen(admin, topic, group, done_from)
    if new:
        yield warn(
            name,
            f"up to {counted(new, 'letter')} in {topic} that nobody has looked at",
            "`crucible dlq list --left` says why each was refused; mend that and run `crucible dlq replay`, or "
            "`crucible dlq seen` says that you have seen to them",
        )
    else:
        yield ok(name, f"{counted(seen, 'letter')} in {topic}, all seen" if seen else f"{topic} is empty")


def _lost_letters(
    admin: KafkaAdmin, topic: str, partitions: int | None, refused: Mapping[str, int]
) -> Iterator[Finding]:
    """Find whether there were fewer letters than changes that were refused: letters are sent before that is noted."""
    there = sum(admin.offsets([(topic, number) for number in range(partitions or 0)], "latest").values())
    if sum(refused.values()) > there:
        tables = sorted(refused)
        found = f"has had {counted(there, 'letter')}" if partitions else "does not exist"
        commands = " and ".join(f"`crucible reconcile --table {one} --fix`" for one in tables)
        yield fail(
            "kafka.dead_letters.topic",
            f"{topic} {found}, and {counted(sum(refused.values()), 'change')} of {' and '.join(tables)} had one: it "
            "was deleted",
            f"what only they told is found by {commands}; or name the topic that has them in dead_letters.topic",
        )


def group(admin: KafkaAdmin, name: str, wanted: Sequence[str]) -> Iterator[Finding]:
    """Find whether the group's place is still in the topics, and somebody reads."""
    places = group_places(admin, name, admin.matching(wanted))
    gone = [
        f"{one.topic}[{one.partition}] committed {one.committed}, holds {one.low}..{one.high}"
        for one in places
        if one.committed is not None and not one.low <= one.committed <= one.high
    ]
    active = admin.members(name)
    if gone:
        topic = gone[0].partition("[")[0]
        yield fail("kafka.offsets", "; ".join(gone), f"`crucible offsets reset --topic {topic} --to earliest`")
    else:
        behind = {(one.topic, one.partition): (one.low if one.committed is None else one.committed) for one in places}
        lag = sum(one.lag for one in places)
        # What transactions leave at the end of a partition counts as records until somebody reads.
        to_go = admin.records_after(behind, lag) if 0 < lag <= MAX_LOOKED_AT else lag
        committed = sum(one.committed is not None for one in places)
        left = f"{counted(to_go, 'record')} to go" if to_go else "nothing to go"
        yield ok("kafka.offsets", f"{committed} of {counted(len(places), 'partition')} committed, {left}")
    if active:
        yield ok("kafka.group", f"{name}: {len(active)} active ({', '.join(active)})")
    else:
        yield warn("kafka.group", f"{name}: nobody reads", "start the watcher: `crucible run`")


_APPLY: Final = "if the table has rows: start the connector with `crucible connector apply`, or mend kafka.topics"


def _topic(admin: KafkaAdmin, topic: str, partitions: int) -> Iterator[Finding]:
    settings = admin.topic_settings(topic)
    name = f"kafka.topic.{topic}"
    policy, retention = settings.get("cleanup.policy", "delete"), int(settings.get("retention.ms", -1))
    found = f"{counted(partitions, 'partition')}, {policy}, kept for {_days(settings)}"
    if "compact" in policy:
        yield fail(
            name, found, f"set cleanup.policy=delete on {topic}: compaction drops changes that were not read yet"
        )
    elif 0 <= retention < MIN_RETENTION_MS:
        yield warn(name, found, f"raise retention.ms on {topic}: a watcher that is away for longer loses changes")
    elif int(settings.get("max.message.bytes", MIN_RECORD_BYTES)) < MIN_RECORD_BYTES:
        yield warn(name, f"{found}, records up to {settings['max.message.bytes']} bytes", "raise max.message.bytes")
    else:
        yield ok(name, found)


def _days(settings: dict[str, str]) -> str:
    retention = int(settings.get("retention.ms", -1))
    return "ever" if retention < 0 else counted(retention / DAY_MS, "day")


def offset_metadata(admin: KafkaAdmin) -> Iterator[Finding]:
    """Find whether the broker takes a plan as an offset's metadata."""
    limit = admin.broker_setting("offset.metadata.max.bytes")
    yield judged(
        "kafka.offset_metadata",
        limit is None or int(limit) >= MAX_METADATA_BYTES // 4,
        f"up to {limit or 'an unknown number of'} bytes",
        "raise offset.metadata.max.bytes on the brokers",
    )
