"""Goes through the dead-letter topic, has the letters that are wanted taken again, and tells what became of them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from watcher.admin.dead_letters import DeadLetterFilter
from watcher.dead_letters.batches import batches
from watcher.dead_letters.replaying import Replayer
from watcher.kafka.dead_letter_topic import LetterPlace, StoredDeadLetter
from watcher.model.letter_outcome import LetterOutcome
from watcher.postgres.own import dead_letters
from watcher.postgres.own.dead_letters import Tried
from watcher.postgres.session import Session


@dataclass(slots=True)
class Account:
    """What was found while a topic was gone through."""

    outcomes: Counter[LetterOutcome] = field(default_factory=Counter)
    """Of the letters that were taken, how many came to what."""
    done_before: int = 0
    """Letters that are wanted, and had been done before."""
    left: Counter[str] = field(default_factory=Counter)
    """Letters that are not done, by table; empty: nobody knows whose they are."""
    strangers: int = 0
    """Records that are no letters."""


class Taking:
    """Goes once through the topic.

    Args:
        session: knows which letters are done.
        topic_id: Kafka's id of the dead-letter topic.
        table_of: whose change a letter is.
    """

    def __init__(self, session: Session, topic_id: str, table_of: Callable[[StoredDeadLetter], str]) -> None:
        self._session, self._topic_id, self._table_of = session, topic_id, table_of
        self.account = Account()

    def through(
        self, places: Iterable[LetterPlace], wanted: DeadLetterFilter, replayer: Replayer, *, dry_run: bool
    ) -> Iterator[tuple[StoredDeadLetter, Tried]]:
        """Yield each letter that was taken, with what became of it.

        Args:
            places: the topic's records.
            wanted: which letters to take.
            replayer: takes them.
            dry_run: only foresee what would become of them.

        Raises:
            TemporaryError: a neighbour is away; what was not taken is taken by the next run.
        """
        for batch in batches(places):
            stored = [one.letter for one in batch if one.letter is not None]
            self.account.strangers += len(batch) - len(stored)
            chosen = self._not_done(stored, wanted)
            for letter, tried in zip(chosen, self._take(chosen, replayer, dry_run=dry_run), strict=True):
                self.account.outcomes[tried.outcome] += 1
                if not tried.outcome.done:
                    self.account.left[tried.table] += 1
                yield letter, tried

    def _take(self, chosen: list[StoredDeadLetter], replayer: Replayer, *, dry_run: bool) -> list[Tried]:
        if not chosen:
            return []
        return replayer.foresee(chosen) if dry_run else replayer.replay(chosen)

    def _not_done(self, stored: list[StoredDeadLetter], wanted: DeadLetterFilter) -> list[StoredDeadLetter]:
        """Return the letters that are wanted and not done; count the others."""
        done = done_letters(self._session, self._topic_id, stored)
        chosen = []
        for letter in stored:
            is_wanted = wanted.takes(letter)
            if (letter.partition, letter.offset) in done:
                self.account.done_before += is_wanted
            elif is_wanted:
                chosen.append(letter)
            else:
                self.account.left[self._table_of(letter)] += 1
        return chosen


def done_letters(session: Session, topic_id: str, stored: Iterable[StoredDeadLetter]) -> set[tuple[int, int]]:
    """Return partition and offset of those letters that are done."""
    by_partition: Mapping[int, list[int]] = defaultdict(list)
    for letter in stored:
        by_partition[letter.partition].append(letter.offset)
    return {
        (partition, offset)
        for partition, offsets in by_partition.items()
        for offset, story in dead_letters.known(session, topic_id, partition, offsets).items()
        if story.done
    }
