"""Notes what a comparison of whole tables by the command came to, where watchers and the doctor find it."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import structlog

from watcher.postgres.faults import PostgresRefusedError
from watcher.postgres.own import drift, repair
from watcher.postgres.session import Session
from watcher.reconcile.command.report import Report
from watcher.reconcile.rows.table import MIN_KEY
from watcher.reconcile.views import DIFFERS

log = structlog.get_logger(__name__)


def note(
    session: Session,
    report: Report,
    made_by: str,
    began: datetime,
    *,
    seen_to: int = 0,
    others: Iterable[str] = (),
) -> None:
    """Note who has compared when, and what is left; tables of which nothing is left have no drift any more.

    A role that may only read compares all the same; then nobody is told.

    Args:
        session: PostgreSQL.
        report: of whole tables.
        made_by: who has run it.
        began: when it began, with time zone.
        seen_to: up to when it has seen everything, in milliseconds since 1970; 0: not known.
        others: what else was compared as a whole: places of votes and of Redis, views.
    """
    found = _left(report)
    tables = tuple(one.table for one in report.tables)
    try:
        for one in report.tables:
            if not one.left:
                drift.compared(session, one.table, MIN_KEY, None, {})
        for place in others:
            if place not in found:
                drift.compared(session, place, MIN_KEY, None, {})
        drift.note_run(session, drift.ComparisonRun("command", made_by, began, tables, found, seen_to=seen_to))
        # After it: what is noted later is held to the run, and what was noted meanwhile is there.
        repair.met(session, [one for one in tables if one not in found], seen_to, made_by)
    except PostgresRefusedError as error:
        log.info("reconcile.not_noted", error=str(error))


def _left(report: Report) -> dict[str, Counter[str]]:
    """Return what still differs: by table or place, kind of difference -> rows."""
    found = {one.table: Counter(one.left) for one in report.tables if one.left}
    for twice in report.twice:
        if not twice.counted_right:
            found.setdefault(twice.source, Counter())["twice"] += twice.rows
    for view in report.views:
        if view.left:
            found.setdefault(view.view, Counter())[DIFFERS] += view.left
    for kind in (*report.votes, *report.redis):
        if kind.left:
            found.setdefault(kind.where, Counter())[kind.kind] += kind.left
    return found
