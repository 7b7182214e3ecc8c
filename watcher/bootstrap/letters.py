"""Dead letters taken again, put together for the command line."""

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property, partial
from typing import Final

from config import Settings
from handlers import REGISTRY
from watcher.admin.dead_letters import DeadLetterFilter
from watcher.admin.offsets import group_places
from watcher.bootstrap.clients import connect_clickhouse, redis_client, registry_auth, site_session
from watcher.bootstrap.kafka_client import kafka_client
from watcher.bootstrap.reconciling import counted_tables, made_by
from watcher.bootstrap.verification import verifying
from watcher.changes.ingest import Ingest
from watcher.clickhouse.letter_rows import LETTERS
from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.clickhouse.repair_rows import REPAIRS
from watcher.decode.avro import AvroReader
from watcher.decode.decoder import Decoder
from watcher.decode.registry import RegistryClient
from watcher.kafka.admin import KafkaAdmin
from watcher.kafka.dead_letter_topic import LetterPlace, StoredDeadLetter, letter_places, value_at
from watcher.letters.batches import batches
from watcher.letters.eligibility import Eligibility, Passed
from watcher.letters.letter_decoder import LetterDecoder
from watcher.letters.needs import TableStanding, settle
from watcher.letters.purging import Purge, purges
from watcher.letters.replaying import Replayer
from watcher.letters.row_comparison import RowComparison
from watcher.letters.row_of_letter import LetterSubjects, RowOf, row_of
from watcher.letters.taking import Account, Taking, done_letters
from watcher.model.counts import CountedTable
from watcher.model.errors import Reason, StopError, TemporaryError
from watcher.model.metric_rows import MetricRows
from watcher.postgres.own import history, letters, reconcile_needed, replay
from watcher.postgres.own.letters import Story, Tried
from watcher.postgres.session import Session
from watcher.reconcile.repairs.stream import Stream
from watcher.reconcile.stores import Stores
from watcher.recovery.verifier import Comparison, Verifier
from watcher.redis.sink import RedisSink
from watcher.runtime.retry import Retry, retry

WHILE_BUSY: Final = Retry(0.5, 0.5, give_up=lambda attempts, _: attempts >= 60)
"""Waits for another process that compares the same crucible. Fewer: the command is to be run again; more: it hangs."""


@contextmanager
def opened_letters(settings: Settings, told: Callable[[str], None] = lambda _: None) -> Iterator["Letters"]:
    """Connect to Kafka and PostgreSQL for the length of a block, and yield the dead letters.

    Args:
        settings: where they are.
        told: is told what is waited for.

    Raises:
        ConfigError: Kafka's client refuses its settings.
        PostgresRefusedError: the role may not do what is needed.
        TemporaryError: PostgreSQL is away.
    """
    client = kafka_client(settings.kafka)
    with site_session(settings) as session:
        yield Letters(settings, client, session, told)


class Letters:
    """The dead-letter topic, and what became of its letters.

    Args:
        settings: everything.
        client: librdkafka settings of the connection.
        session: PostgreSQL, as the watcher's role.
        told: is told what is waited for.
    """

    def __init__(
        self, settings: Settings, client: Mapping[str, str], session: Session, told: Callable[[str], None]
    ) -> None:
        self._settings, self._client, self._session, self._told = settings, client, session, told
        self.topic = settings.dead_letters.topic
        self._tables = REGISTRY.with_watcher_schema(settings.postgres.watcher_schema)
        self._usual = {table.topic: table.name for table in self._tables}

    @cached_property
    def _admin(self) -> KafkaAdmin:
        return KafkaAdmin(self._client)

    @cached_property
    def partitions(self) -> int:
        """Return how many partitions the topic has; 0: there is none.

        Raises:
            TemporaryError: Kafka is away.
        """
        return self._admin.topics().get(self.topic, 0)

    @cached_property
    def _topic_id(self) -> str:
        return self._admin.topic_id(self.topic)

    def stories(self, stored: Iterable[StoredDeadLetter]) -> dict[tuple[int, int], Story]:
        """Return what has become of the letters that were taken, by partition and offset.

        Raises:
            TemporaryError: a neighbour is away.
        """
        some = list(stored)
        if not some:
            return {}
        return {
            (partition, offset): story
            for partition in {one.partition for one in some}
            for offset, story in letters.known(
                self._session, self._topic_id, partition, [one.offset for one in some if one.partition == partition]
            ).items()
        }

    def take(
        self, wanted: DeadLetterFilter, *, dry_run: bool, compare: bool = False
    ) -> tuple[Iterator[tuple[StoredDeadLetter, Tried]], Account]:
        """Return the letters that are wanted, which are taken batch by batch while one iterates, and the account.

        Args:
            wanted: which.
            dry_run: only foresee what would become of them.
            compare: have the rows of letters compared that cannot be used.

        Raises:
            HistoryChangedError: PostgreSQL is another than the one that was accepted.
            StreamStandsError: rows are to be compared, and the stream does not go on.
            TemporaryError: a neighbour is away.
        """
        taking = Taking(self._session, self._topic_id, self._table_of)
        return self._taken(taking, wanted, dry_run=dry_run, compare=compare), taking.account

    def _taken(
        self, taking: Taking, wanted: DeadLetterFilter, *, dry_run: bool, compare: bool
    ) -> Iterator[tuple[StoredDeadLetter, Tried]]:
        settings = self._settings
        history.check(self._session)
        link = ClickHouseLink(partial(connect_clickhouse, settings))
        insert, repairs = PlannedInsert(LETTERS, link, queries()), PlannedInsert(REPAIRS, link, queries())
        redis = RedisSink(redis_client(settings))
        try:
            settles = self._rows(repairs) if compare and not dry_run else None
            replayer = self._replayer(insert, redis, settles)
            if not dry_run:
                for table in replay.open_tables(self._session):
                    replayer.finish_open(table)
            yield from taking.through(letter_places(self._client, self.topic), wanted, replayer, dry_run=dry_run)
        finally:
            redis.close()
            insert.close()

    def needs(self) -> Sequence[reconcile_needed.Need]:
        """Return what is to be compared, to be given to :meth:`settle` once letters were taken."""
        return reconcile_needed.needs(self._session)

    def settle(self, before: Sequence[reconcile_needed.Need], account: Account) -> list[TableStanding]:
        """Take away the needs of comparison that letters leave no reason for; return how each table stands.

        Args:
            before: as they were before letters were taken.
            account: of taking them.

        Raises:
            TemporaryError: a neighbour is away.
        """
        return settle(self._session, self._topic_id, before, account.left, self._low())

    def purgeable(self, before: datetime | None) -> list[Purge]:
        """Return what may be deleted of each partition; see :func:`watcher.letters.purging.purges`.

        Raises:
            TemporaryError: a neighbour is away.
        """
        return list(purges(self._with_done(letter_places(self._client, self.topic)), before).values())

    def purge(self, some: Iterable[Purge]) -> None:
        """Delete letters from their topic, for good.

        Raises:
            StopError: the topic is compacted.
            TemporaryError: a neighbour is away, or Kafka refuses.
        """
        if "delete" not in self._admin.topic_settings(self.topic).get("cleanup.policy", "delete"):
            raise StopError(
                f"{self.topic} is compacted: Kafka deletes nothing of it, and drops letters of a row for newer ones; "
                "set cleanup.policy=delete on it, then run this again"
            )
        found = list(some)
        for one in found:
            letters.purge(self._session, self._topic_id, one.partition, one.upto, lost=one.not_done > 0)
        self._admin.delete_before({(self.topic, one.partition): one.upto for one in found})

    def _low(self) -> dict[int, int]:
        places = [(self.topic, number) for number in range(self.partitions)]
        return {partition: low for (_, partition), (low, _) in self._admin.bounds(places).items()}

    def _with_done(self, places: Iterable[LetterPlace]) -> Iterator[tuple[LetterPlace, bool]]:
        for batch in batches(places):
            stored = [one.letter for one in batch if one.letter is not None]
            done = done_letters(self._session, self._topic_id, stored)
            for place in batch:
                yield place, (place.partition, place.offset) in done

    def _table_of(self, letter: StoredDeadLetter) -> str:
        """Return the table whose change a letter is; ``unknown`` if it is of no table that is known."""
        record = letter.record
        if record.table or record.reason == Reason.UNKNOWN_TABLE.value:
            return record.table
        return self._usual.get(record.topic, "")

    def _rows(self, repairs: PlannedInsert[MetricRows, bytes]) -> "_Rows":
        settings = self._settings
        kafka = settings.kafka
        stream = Stream(
            self._session,
            self._admin,
            slot=settings.reconcile.slot,
            group=kafka.group,
            topics=kafka.topics,
            told=self._told,
        )
        reads = ClickHouseReads(partial(connect_clickhouse, settings), queries())
        stores = Stores(self._session, reads, repairs, stream.await_passed, time.sleep)
        return _Rows(RowComparison(stores, made_by(), self._compare_crucibles), counted_tables(settings))

    def _compare_crucibles(self, crucible_ids: Iterable[int]) -> None:
        """Have crucibles compared in Redis.

        Raises:
            TemporaryError: a neighbour is away, or somebody else is at one of them for long.
        """
        ids = list(crucible_ids)
        if not ids:
            return
        with verifying(self._settings) as verification:
            for one in ids:
                retry(partial(_compared, verification.verifier, one), WHILE_BUSY, _waited, lambda _: None)

    def _replayer(
        self, insert: PlannedInsert[MetricRows, bytes], redis: RedisSink, settles: "_Rows | None"
    ) -> Replayer:
        settings = self._settings
        registry = settings.registry
        avro = None
        if registry.url:
            avro = AvroReader(RegistryClient(registry.url, registry_auth(settings), registry.timeout))
        decoder = Decoder(self._tables, avro, settings.kafka.heartbeat_topic)
        return Replayer(
            self._session,
            insert=insert,
            states=redis,
            decoder=LetterDecoder(Ingest(self._tables, decoder)),
            eligibility=self._eligibility(),
            history=history.accepted(self._session)[-1],
            topic_id=self._topic_id,
            subjects=LetterSubjects(
                table_of=self._table_of,
                row_of=partial(self._row_of, avro),
                settled=settles.settled if settles is not None else None,
            ),
            made_by=made_by(),
        )

    def _row_of(self, avro: AvroReader | None, letter: StoredDeadLetter) -> RowOf | None:
        keys = {name: (table.schema, table.key) for name, table in counted_tables(self._settings).items()}
        return row_of(letter, self._usual.get(letter.record.topic, ""), keys, avro)

    def _eligibility(self) -> Eligibility:
        kafka = self._settings.kafka
        followed = [one for one in (*kafka.topics, kafka.heartbeat_topic) if one]

        def follows(topic: str) -> bool:
            return any(topic == one or (one.startswith("^") and re.match(one, topic)) for one in followed)

        passed = {
            (one.topic, one.partition): Passed(one.low, one.high, one.committed)
            for one in group_places(self._admin, kafka.group, self._admin.matching(followed))
        }
        return Eligibility(follows, passed, kafka.group, partial(value_at, self._client))


def _compared(verifier: Verifier, crucible_id: int) -> None:
    if verifier.compare(crucible_id) is Comparison.BUSY:
        raise TemporaryError(f"crucible {crucible_id} is being compared by another process")


def _waited(seconds: float) -> bool:
    time.sleep(seconds)
    return False


class _Rows:
    """Compares rows of the tables that count for something."""

    def __init__(self, comparison: RowComparison, tables: Mapping[str, CountedTable]) -> None:
        self._comparison, self._tables = comparison, tables

    def settled(self, table: str, keys: Collection[int]) -> set[int]:
        """Return those of the rows that are right, after repairs."""
        return self._comparison.settled(self._tables[table], keys)
