"""Pausing single tables while others flow: what is checked first, and what a person has to mind."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from watcher.kafka.admin import KafkaAdmin
from watcher.model.beat import BEAT_TABLE
from watcher.model.errors import TemporaryError, WatcherError
from watcher.model.table_pause import TablePause, table_of

SEEN_WITHIN_SECONDS: Final = 10
"""Seconds within which every watcher has seen a pause: its journal looks more often (``LOOK_SECONDS``)."""


class NoSuchTableError(WatcherError):
    """Raised when a table cannot be paused: there is none of that name, or it is not a person's to pause."""


@dataclass(frozen=True, slots=True)
class TableStream:
    """A table, the topics that its changes come by, and whether they wait."""

    table: str
    topics: tuple[str, ...]
    paused: TablePause | None = None


def streams(names: Sequence[str], wanted: Sequence[str], paused: dict[str, TablePause]) -> list[TableStream]:
    """Return the tables that can be paused.

    Args:
        names: of the registered tables.
        wanted: the topics that the watcher reads.
        paused: which are.
    """
    plain = [topic for topic in wanted if not topic.startswith("^")]
    return [
        TableStream(name, tuple(topic for topic in plain if table_of(topic) == name), paused.get(name))
        for name in names
        if name != BEAT_TABLE
    ]


def check_table(table: str, known: Sequence[TableStream], *, reads_expressions: bool) -> TableStream:
    """Return the table of this name.

    Args:
        table: its name.
        known: what :func:`streams` returned.
        reads_expressions: topics are named by regular expressions too, so that a topic may be there all the same.

    Raises:
        NoSuchTableError: there is none, or no topic that is read tells by its name that it is this table's.
    """
    if table == BEAT_TABLE:
        raise NoSuchTableError("table beat: the watcher's own, which tells a quiet stream from one that is cut off")
    found = next((one for one in known if one.table == table), None)
    if found is None:
        raise NoSuchTableError(
            f"table {table}: given {table!r}, expected one of {', '.join(one.table for one in known)}"
        )
    if not found.topics and not reads_expressions:
        raise NoSuchTableError(
            f"table {table}: no topic of kafka.topics ends in .{table}, so nobody can tell which records to leave; "
            "`crucible connector pause` pauses all tables"
        )
    return found


def resume_before(admin: KafkaAdmin, topics: Sequence[str], now: datetime) -> datetime | None:
    """Return when topics begin to drop what came from now on; None if they never do, or nobody can tell.

    Raises:
        TemporaryError: the cluster does not answer.
    """
    there = admin.topics()
    kept = [int(admin.topic_settings(topic).get("retention.ms", -1)) for topic in topics if topic in there]
    soonest = min((one for one in kept if one >= 0), default=None)
    return None if soonest is None else now + timedelta(milliseconds=soonest)


def warning(admin: KafkaAdmin, stream: TableStream, now: datetime) -> str:
    """Return what a person has to mind while a table is paused."""
    after = "what it drops unread is lost for the stream, and `crucible reconcile --fix` has to find it"
    try:
        until = resume_before(admin, stream.topics, now)
    except TemporaryError as error:
        return f"how long its topic keeps records is not known ({error}); {after}"
    if until is None:
        return "its topic keeps records for ever, as far as is known"
    return f"its topic drops records from {until.isoformat(timespec='minutes')} on: resume it before, for {after}"
