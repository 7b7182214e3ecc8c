"""PostgreSQL's history: within one, a row's log positions only rise; across two they say nothing.

A restore, a promoted standby or a new cluster may hand out log positions a second time. State that is guarded by "newer
position wins" would then refuse what is new. So each history has a number, the number comes before the position, and
raising it is a person's decision.

What this cannot see: storage set back to an older snapshot and started as if nothing had happened. System identifier
and timeline stay as they were, and this table goes back with them. Recover with a point in time instead: that starts a
new timeline.
"""

from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Final

from watcher.model.errors import HistoryChangedError, TemporaryError
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "history.sql")
FIRST: Final = 1
"""Number of the history that the first start finds."""


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
    return tuple(History(number, SourceIdentity(system, timeline), when) for number, system, timeline, when in rows)


def check(session: Session) -> int:
    """Return the number of the present history. The very first is accepted without asking.

    Raises:
        HistoryChangedError: PostgreSQL is in another history than the one last accepted.
        TemporaryError: PostgreSQL is away or a standby.
    """
    now = current(session)
    session.run(_STATEMENTS["accept_first"], FIRST, now.system_identifier, now.timeline)
    last = accepted(session)[-1]
    if last.identity != now:
        raise HistoryChangedError(
            f"PostgreSQL is now {now}, the last accepted history (number {last.number}) is {last.identity}: it was "
            "restored, failed over or replaced, and log positions may have fallen. What is counted stays counted "
            "once. See that the connector streams from this server, then run `crucible history accept` and start the "
            "watcher"
        )
    return last.number


def accept(session: Session) -> History:
    """Accept the present history under the next number; an unchanged one keeps its number.

    Returns:
        The history that now holds.
    """
    now = current(session)
    with session.together():
        session.lock("history")
        known = accepted(session)
        if not known or known[-1].identity != now:
            number = known[-1].number + 1 if known else FIRST
            session.run(_STATEMENTS["accept"], number, now.system_identifier, now.timeline)
        return accepted(session)[-1]
