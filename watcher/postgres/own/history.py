"""PostgreSQL's history: within one, a row's log positions only rise; across two they say nothing.

A restore, a promoted standby or a new cluster may hand out log positions a second time. State that is guarded by "newer
position wins" would then refuse what is new. So each history has a number, the number comes before the position, and
raising it is a person's decision.

Storage that was set back to an older snapshot, and started as if nothing had happened, keeps system identifier and
timeline, and this table goes back with it. It is known by what came from the log: a position beyond the log's end, or a
beat that PostgreSQL has not written yet. Of a copy that is younger than the last beat that came nothing tells.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Final

from watcher.model.errors import HistoryChangedError, TemporaryError
from watcher.model.extent import Extent, lsn_text
from watcher.model.farthest import Farthest
from watcher.model.need_reason import NeedReason
from watcher.postgres.own import beat, event_slot, reconcile_needed
from watcher.postgres.own.beat import PostgresStanding
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "history.sql")
FIRST_HISTORY: Final = 1
"""Number of the history that the first start finds."""
_SET_BACK: Final = (
    "PostgreSQL was set back in place: changes came from its log up to LSN {}, and it has lost what lay there. The "
    "connector still has its place beyond, and passes over every change until the log has grown past it. Make it anew: "
    "`crucible connector delete --offsets --yes`, `SELECT pg_drop_replication_slot('crucible')`, `crucible connector "
    "apply`. Then run `crucible history accept`, start the watcher, and then `crucible reconcile --fix`: what "
    "was counted of the lost stretch stays counted until then. The connector of events for others, if there is one, is "
    "in the same case: `crucible doctor` says what to do (connect.events_position)"
)


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """Which history of which PostgreSQL cluster."""

    system_identifier: int
    """Drawn when the cluster was initialised."""
    timeline: int
    """Rises with each recovery to a point in time and each promotion."""

    def __str__(self) -> str:
        return f"system {self.system_identifier} timeline {self.timeline}"


@dataclass(frozen=True, slots=True)
class History:
    """A history that was accepted."""

    number: int
    identity: SourceIdentity
    accepted: datetime
    """When, with time zone."""
    fell_from: int | None = None
    """The log position, of those that came in this history, above which its log was found to end."""

    def goes_on(self, now: SourceIdentity) -> bool:
        """Return whether this is still PostgreSQL's history."""
        return self.identity == now and self.fell_from is None


def current(session: Session) -> SourceIdentity:
    """Return which history PostgreSQL is in now.

    Raises:
        TemporaryError: this is a standby, or a server still recovering.
    """
    ((standby,),) = session.read(_STATEMENTS["standby"])
    if standby:
        raise TemporaryError(
            "postgres: this server is a standby or still recovering; postgres.dsn should lead to the primary "
            "(target_session_attrs=read-write picks it out of several hosts)"
        )
    ((system, timeline),) = session.read(_STATEMENTS["source_identity"])
    return SourceIdentity(int(system), int(timeline))


def accepted(session: Session) -> tuple[History, ...]:
    """Return every history that was accepted, the youngest last."""
    rows = session.read(_STATEMENTS["accepted"])
    return tuple(History(number, SourceIdentity(*source), when, fell) for number, *source, when, fell in rows)


def check(session: Session) -> int:
    """Return the number of the present history. The very first is accepted without asking.

    Raises:
        HistoryChangedError: PostgreSQL is in another history than the one last accepted.
        TemporaryError: PostgreSQL is away or a standby.
    """
    now = current(session)
    session.run(_STATEMENTS["accept_first"], FIRST_HISTORY, now.system_identifier, now.timeline)
    last = accepted(session)[-1]
    if last.identity != now:
        raise HistoryChangedError(
            f"PostgreSQL is now {now}, the last accepted history (number {last.number}) is {last.identity}: it was "
            "restored, failed over or replaced, and log positions may have fallen. What is counted stays counted "
            "once. See that the connector streams from this server, then run `crucible history accept`, start the "
            "watcher, and then `crucible reconcile --fix`: what was never in this history may have been counted"
        )
    if last.fell_from is not None:
        raise HistoryChangedError(_SET_BACK.format(lsn_text(last.fell_from)))
    return last.number


def check_end_of_log(session: Session, standing: PostgresStanding, farthest: Farthest) -> None:
    """Check that the log still reaches as far as changes have come from; note it if not.

    Raises:
        HistoryChangedError: PostgreSQL was set back in place.
    """
    since = int(accepted(session)[-1].accepted.timestamp() * 1000)
    number = standing.beat.number if standing.beat else 0
    fell_from = farthest.above(standing.end_of_log, number, since)
    if fell_from is not None:
        raise set_back(session, fell_from)


def set_back(session: Session, lsn: int) -> HistoryChangedError:
    """Note that PostgreSQL was set back in place, and return the error that says so.

    Args:
        session: PostgreSQL.
        lsn: the log position up to which it was seen.
    """
    session.run(_STATEMENTS["fell"], lsn, accepted(session)[-1].number)
    return HistoryChangedError(_SET_BACK.format(lsn_text(lsn)))


def accept(session: Session, tables: Iterable[str] = ()) -> History:
    """Accept the present history under the next number; an unchanged one keeps its number.

    Args:
        session: PostgreSQL.
        tables: the watched tables, which are to be compared then: what was counted of the old history may never have
            been in this one.

    Returns:
        The history that now holds.
    """
    now = current(session)
    with session.together():
        session.lock("history")
        known = accepted(session)
        if not known or not known[-1].goes_on(now):
            number = known[-1].number + 1 if known else FIRST_HISTORY
            session.run(_STATEMENTS["accept"], number, now.system_identifier, now.timeline)
            if known:
                event_slot.doubt(session)
            for table in tables if known else ():
                reconcile_needed.note(session, table, NeedReason.SET_BACK, _given_up(known[-1], beat.standing(session)))
        return accepted(session)[-1]


def _given_up(last: History, now: PostgresStanding) -> Extent:
    """Return the stretch of the log that was given up, as far as it is known."""
    seen = "" if last.fell_from is None else f", seen up to LSN {lsn_text(last.fell_from)}"
    return Extent(f"history {last.number}{seen}", f"accepted at LSN {lsn_text(now.end_of_log)}")
