"""What dead letters are taken again with: decoder, sinks and comparisons, put together for the command line."""

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Final

from config import Settings
from handlers import REGISTRY
from watcher.admin.dead_letters import DeadLetterFilter
from watcher.admin.offsets import group_places
from watcher.bootstrap.clients import connect_clickhouse, redis_client, registry_auth
from watcher.bootstrap.reconciling import counted_tables, made_by
from watcher.bootstrap.verification import verifying
from watcher.changes.ingest import Ingest
from watcher.clickhouse.letter_rows import LETTERS
from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.clickhouse.repair_rows import REPAIRS
from watcher.dead_letters.eligibility import Eligibility, Passed
from watcher.dead_letters.letter_decoder import LetterDecoder
from watcher.dead_letters.replaying import Replayer
from watcher.dead_letters.row_comparison import RowComparison
from watcher.dead_letters.row_of_letter import LetterSubjects, RowOf, row_of
from watcher.dead_letters.taking import Taking
from watcher.decode.avro import AvroReader
from watcher.decode.decoder import Decoder
from watcher.decode.registry import RegistryClient
from watcher.kafka.admin import KafkaAdmin
from watcher.kafka.dead_letter_topic import StoredDeadLetter, letter_places, value_at
from watcher.model.counts import CountedTable
from watcher.model.errors import Reason, TemporaryError
from watcher.model.metric_rows import MetricRows
from watcher.postgres.own import history, replay
from watcher.postgres.own.dead_letters import Tried
from watcher.postgres.session import Session
from watcher.reconcile.repairs.stream import Stream
from watcher.reconcile.stores import Stores
from watcher.recovery.verifier import Comparison, Verifier
from watcher.redis.sink import RedisSink
from watcher.runtime.retry import Retry, retry

WHILE_BUSY: Final = Retry(0.5, 0.5, give_up=lambda attempts, _: attempts >= 60)
"""Waits for another process that compares the same crucible. Fewer: the command is to be run again; more: it hangs."""


class DeadLetterReplay:
    """Takes dead letters again.

    Args:
        settings: everything.
        client: librdkafka settings of the connection.
        session: PostgreSQL, as the watcher's role.
        admin: Kafka's cluster.
        topic_id: Kafka's id of the dead-letter topic.
        told: is told what is waited for.
    """

    def __init__(
        self,
        settings: Settings,
        client: Mapping[str, str],
        session: Session,
        admin: KafkaAdmin,
        topic_id: str,
        *,
        told: Callable[[str], None],
    ) -> None:
        self._settings, self._client, self._session, self._admin = settings, client, session, admin
        self._topic_id, self._told = topic_id, told
        self._tables = REGISTRY.with_watcher_schema(settings.postgres.watcher_schema)
        self._usual = {table.topic: table.name for table in self._tables}

    def taken(
        self, taking: Taking, wanted: DeadLetterFilter, *, dry_run: bool, compare: bool
    ) -> Iterator[tuple[StoredDeadLetter, Tried]]:
        """Yield the letters that are wanted, each once it was taken.

        Args:
            taking: takes them batch by batch.
            wanted: which.
            dry_run: only foresee what would become of them.
            compare: have the rows of letters compared that cannot be used.

        Raises:
            HistoryChangedError: PostgreSQL is another than the one that was accepted.
            StreamStandsError: rows are to be compared, and the stream does not go on.
            TemporaryError: a neighbour is away.
        """
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
            yield from taking.through(
                letter_places(self._client, settings.dead_letters.topic), wanted, replayer, dry_run=dry_run
            )
        finally:
            redis.close()
            insert.close()

    def table_of(self, letter: StoredDeadLetter) -> str:
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
                table_of=self.table_of,
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
