"""What became of dead letters that were taken again."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Final

import msgspec

from watcher.model.letter_outcome import LetterOutcome
from watcher.postgres.own.reconcile_needed import Need
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "dead_letters.sql")


class Tried(msgspec.Struct, frozen=True):
    """What became of a letter this time."""

    partition: int
    position: int
    """Its offset in the dead-letter topic."""
    table: str
    record: str
    """Where the refused record lies."""
    outcome: LetterOutcome
    message: str = ""


class Story(msgspec.Struct, frozen=True):
    """What became of a letter so far."""

    outcome: str
    message: str
    done: bool
    tries: int
    first_tried: datetime
    last_tried: datetime
    tried_by: str


def tried(session: Session, topic_id: str, letters: Sequence[Tried], by: str) -> None:
    """Note what became of some letters; each keeps the number of its tries, and one that was done stays so.

    Args:
        session: a connection.
        topic_id: Kafka's id of the dead-letter topic.
        letters: each once.
        by: who has tried.
    """
    if not letters:
        return
    values: Mapping[str, object] = {
        "topic_id": topic_id,
        "by": by,
        "partitions": [one.partition for one in letters],
        "positions": [one.position for one in letters],
        "tables": [one.table for one in letters],
        "records": [one.record for one in letters],
        "outcomes": [one.outcome.value for one in letters],
        "messages": [one.message for one in letters],
        "done": [one.outcome.done for one in letters],
    }
    session.run(_STATEMENTS["tried"], values)


def known(session: Session, topic_id: str, partition: int, positions: Iterable[int]) -> dict[int, Story]:
    """Return what became of those letters of a partition that were tried, by position."""
    rows = session.read(_STATEMENTS["known"], topic_id, partition, list(positions))
    return {position: Story(*story) for position, *story in rows}


def done_from(session: Session, topic_id: str, partition: int, position: int) -> int:
    """Return how many letters of a partition are done that lie at a position or behind it."""
    ((count,),) = session.read(_STATEMENTS["done_from"], topic_id, partition, position)
    return int(count)


def found(session: Session, topic_id: str, table: str, records: Iterable[str]) -> set[str]:
    """Return which of these places of refused records letters of a table tell of that were tried."""
    return {one for (one,) in session.read(_STATEMENTS["found"], topic_id, table, list(records))}


def count(session: Session, topic_id: str, table: str) -> int:
    """Return how many letters of a table were tried."""
    ((number,),) = session.read(_STATEMENTS["count"], topic_id, table)
    return int(number)


def purged(session: Session, topic_id: str) -> dict[int, int]:
    """Return up to where somebody has had letters deleted, by partition."""
    return dict(session.read(_STATEMENTS["purged"], topic_id))


def purge(session: Session, topic_id: str, partition: int, upto: int, *, lost: bool) -> None:
    """Note that the letters of a partition before a position are to be deleted.

    Args:
        session: a connection.
        topic_id: Kafka's id of the dead-letter topic.
        partition: which.
        upto: the first position that stays.
        lost: whether nobody had taken some of them.
    """
    session.run(_STATEMENTS["purge"], topic_id, partition, upto, lost)


def lost(session: Session, topic_id: str) -> datetime | None:
    """Return when letters were last deleted that nobody had taken; None: never."""
    ((when,),) = session.read(_STATEMENTS["lost"], topic_id)
    found: datetime | None = when
    return found


def settled(session: Session, need: Need) -> bool:
    """Take away a need of comparison; return whether it was there, and as it was when it was read."""
    values = (need.source_table, need.reason, need.since, need.found.last, need.found.times)
    return bool(session.run(_STATEMENTS["settled"], *values))
