"""Dead letters and what became of them, put together for the command line."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property

from config import Settings
from watcher.admin.dead_letters import DeadLetterFilter
from watcher.bootstrap.clients import site_session
from watcher.bootstrap.dead_letter_replay import DeadLetterReplay
from watcher.bootstrap.kafka_client import kafka_client
from watcher.dead_letters.batches import batches
from watcher.dead_letters.needs import TableStanding, settle
from watcher.dead_letters.purging import Purge, purges
from watcher.dead_letters.taking import Account, Taking, done_letters
from watcher.kafka.admin import KafkaAdmin
from watcher.kafka.dead_letter_topic import LetterPlace, StoredDeadLetter, letter_places
from watcher.model.errors import StopError
from watcher.postgres.own import dead_letters, reconcile_needed
from watcher.postgres.own.dead_letters import Story, Tried
from watcher.postgres.session import Session


@contextmanager
def opened_dead_letters(settings: Settings, told: Callable[[str], None] = lambda _: None) -> Iterator["DeadLetters"]:
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
        yield DeadLetters(settings, client, session, told)


class DeadLetters:
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
            for offset, story in dead_letters.known(
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
        replay = DeadLetterReplay(
            self._settings, self._client, self._session, self._admin, self._topic_id, told=self._told
        )
        taking = Taking(self._session, self._topic_id, replay.table_of)
        return replay.taken(taking, wanted, dry_run=dry_run, compare=compare), taking.account

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
        """Return what may be deleted of each partition; see :func:`watcher.dead_letters.purging.purges`.

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
            dead_letters.purge(self._session, self._topic_id, one.partition, one.upto, lost=one.not_done > 0)
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
