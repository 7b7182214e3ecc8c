"""Changes counted anew by the present handlers, put together for the command line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

from config import Settings
from handlers import REGISTRY
from watcher.bootstrap.clients import connect_clickhouse, registry_auth, site_session
from watcher.bootstrap.kafka_client import kafka_client
from watcher.bootstrap.reconciling import made_by
from watcher.clickhouse.change_rows import CHANGES
from watcher.clickhouse.expiry import kept_since
from watcher.clickhouse.letter_rows import LETTERS
from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.clickhouse.shadow_rows import ShadowRows
from watcher.decode.avro import AvroReader
from watcher.decode.decoder import Decoded, Decoder
from watcher.decode.registry import RegistryClient
from watcher.kafka.admin import KafkaAdmin
from watcher.kafka.topic_span import records_between
from watcher.model.errors import StopError, TemporaryError
from watcher.model.registry import Registry, Table
from watcher.model.stream import Partition
from watcher.model.words import counted
from watcher.postgres.held_lock import held_lock
from watcher.postgres.own import history
from watcher.postgres.session import Session
from watcher.reconcile.meanings import MeaningReplay, MeaningReport
from watcher.reconcile.repairs.stream import Stream


class ReplayBusyError(TemporaryError):
    """Raised when another process replays the table."""


class NoTopicError(StopError):
    """Raised when no topic holds a table's changes."""


def replayed_tables(settings: Settings) -> dict[str, Table[Any]]:
    """Return the tables whose changes count for something, by name."""
    return {table.name: table for table in _tables(settings) if table.counts}


def replay_metrics(
    settings: Settings,
    table: Table[Any],
    *,
    since: datetime | None,
    dry_run: bool,
    told: Callable[[str], None],
    heard: Callable[[int, int], None],
) -> MeaningReport:
    """Count a table's changes by the present handlers, where they counted otherwise, as far back as its topic goes.

    Args:
        settings: where the neighbours are.
        table: which.
        since: with time zone; what was committed before is left. None: as far back as the topic goes.
        dry_run: only compare.
        told: told what is waited for, and from where on changes are taken.
        heard: told how many parts are compared, and of how many.

    Raises:
        HistoryChangedError: PostgreSQL is another than the one that was accepted.
        NoTopicError: no topic holds the table's changes.
        ReplayBusyError: another process is at it.
        StreamStandsError: the watchers have not read the topic to its end, and do not.
        TemporaryError: a neighbour is away; run it again.
    """
    with _alone(settings, table.name), site_session(settings) as session:
        number = history.check(session)
        reads = ClickHouseReads(partial(connect_clickhouse, settings), queries())
        first = _first(session, reads, since)
        records = _records(settings, session, table, first, told)
        insert = PlannedInsert(LETTERS, ClickHouseLink(partial(connect_clickhouse, settings)), queries())
        try:
            shadow = ShadowRows(table.name, ClickHouseLink(partial(connect_clickhouse, settings)), queries())
            replay = MeaningReplay(
                session, table, shadow=shadow, insert=insert, reads=reads, history=number, made_by=made_by()
            )
            replay.gather(records, 0 if first is None else round(first.timestamp() * 1000))
            return replay.compare(heard, dry_run=dry_run)
        finally:
            insert.close()


def _tables(settings: Settings) -> Registry:
    return REGISTRY.with_watcher_schema(settings.postgres.watcher_schema)


@contextmanager
def _alone(settings: Settings, table: str) -> Iterator[None]:
    name = f"crucible metrics replay {settings.clickhouse.database} {table}"
    with site_session(settings) as session, held_lock(session, name, "Run `crucible metrics replay` again") as held:
        if held is None:
            raise ReplayBusyError(f"another process replays the metrics of {table}; run this again when it is done")
        yield


def _first(session: Session, reads: ClickHouseReads, since: datetime | None) -> datetime | None:
    """Return from when on changes are taken: none of a history that was given up, nor of days that expire."""
    accepted = history.accepted(session)
    known = [since, kept_since(reads, CHANGES.name), accepted[-1].accepted if len(accepted) > 1 else None]
    return max((one for one in known if one is not None), default=None)


def _records(
    settings: Settings, session: Session, table: Table[Any], first: datetime | None, told: Callable[[str], None]
) -> Iterator[Decoded]:
    """Yield what the table's topics hold, decoded, up to where they ended and everything was written."""
    kafka, client = settings.kafka, kafka_client(settings.kafka)
    admin = KafkaAdmin(client)
    stream = Stream(session, admin, slot="", group=kafka.group, topics=kafka.topics, told=told)
    ends = {place: end for place, end in stream.await_read().items() if _is_of(place[0], table)}
    if not ends:
        raise NoTopicError(
            f"of {', '.join(kafka.topics)} no topic is named like {table.topic}, as the connector names the one with "
            f"the changes of {table.name}: see kafka.topics"
        )
    spans = _spans(admin, ends, first)
    told(_reach(spans, first))
    registry = settings.registry
    avro = AvroReader(RegistryClient(registry.url, registry_auth(settings), registry.timeout)) if registry.url else None
    decoder = Decoder(_tables(settings), avro, kafka.heartbeat_topic)
    for topic, values in records_between(client, spans):
        yield from decoder.decode_run(topic, values)


def _is_of(topic: str, table: Table[Any]) -> bool:
    return topic == table.topic or topic.endswith(f".{table.name}")


def _spans(admin: KafkaAdmin, ends: dict[Partition, int], first: datetime | None) -> dict[Partition, tuple[int, int]]:
    """Return what to read of each partition. A record is never older than its change, so nothing is left out."""
    low = admin.offsets(ends, "earliest")
    begin = low if first is None else admin.offsets(ends, first)
    return {place: (end if (at := begin[place]) < 0 else max(at, low[place]), end) for place, end in ends.items()}


def _reach(spans: dict[Partition, tuple[int, int]], first: datetime | None) -> str:
    records = sum(end - low for low, end in spans.values())
    since = "as far back as it goes" if first is None else f"from {first.isoformat(timespec='seconds')} on"
    return f"taking {counted(records, 'record')} of {', '.join(sorted({topic for topic, _ in spans}))}, {since}"
