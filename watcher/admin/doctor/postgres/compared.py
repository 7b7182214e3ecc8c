"""Whether rows agree with what was counted of them: when that was last looked at, by whom, and what was found."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from watcher.admin.doctor.findings import Finding, ok, warn
from watcher.admin.doctor.postgres.statements import STATEMENTS
from watcher.model.words import counted
from watcher.postgres.own import drift, reconcile_turn
from watcher.postgres.own.drift import ComparisonRun
from watcher.postgres.session import Session

WITH: Final = {"command": "`crucible reconcile`", "daemon": "watchers by turns"}


def compared(session: Session, tables: Collection[str]) -> Iterator[Finding]:
    """Find when rows were last compared with counts, and what differed; nothing before there are tables for it.

    Args:
        session: PostgreSQL.
        tables: the watched ones; what else differs is of votes, of views, or shown by Redis.
    """
    if session.read(STATEMENTS["table_exists"], f"{session.schema}.drift") == [(False,)]:
        return
    for table, kinds in drift.drift(session).items():
        yield warn(
            f"postgres.drift.{table}",
            f"{_kinds(kinds)} as last compared",
            f"`crucible reconcile{f' --table {table}' if table in tables else ''} --json` names rows, "
            "`crucible reconcile --fix` puts right what can be derived",
        )
    runs, turns = drift.runs(session), reconcile_turn.standing(session)
    said = [_said(run) for run in runs]
    if turns.table:
        since = "" if turns.age_seconds is None else f", the last turn {turns.age_seconds:.0f} s ago"
        said.append(f"a round is at {turns.table} from key {turns.key} on{since}")
    if said:
        yield ok("postgres.compared", "; ".join(said))
    else:
        yield ok(
            "postgres.compared", "never yet: watchers do it by turns (reconcile.interval), `crucible reconcile` does"
        )


def _said(run: ComparisonRun) -> str:
    left = [f"{table} {_kinds(kinds)}" for table, kinds in run.found.items() if kinds]
    found = ", ".join(left) if left else f"{counted(len(run.tables), 'table')} agreed"
    return f"by {WITH[run.made_with]} ({run.made_by}) until {run.ended:%Y-%m-%d %H:%M}: {found}"


def _kinds(kinds: Mapping[str, int]) -> str:
    """Return kinds of differences in words.

    >>> _kinds({"missing": 12, "left_over": 1})
    '12 missing, 1 left_over'
    """
    return ", ".join(f"{rows} {kind}" for kind, rows in kinds.items())
