"""What the watcher keeps in its own schema: its tables, PostgreSQL's history, and which tables need a comparison."""

from collections.abc import Iterator
from typing import Final

from watcher.admin.doctor.findings import Finding, fail, judged, ok, warn
from watcher.admin.doctor.postgres.statements import STATEMENTS
from watcher.migrations.ledger import LOST, MigrationState, misfits, pending_names
from watcher.migrations.postgres import migrate
from watcher.migrations.postgres.dropped import dropped
from watcher.model.extent import Extent, lsn_text
from watcher.model.words import counted
from watcher.postgres.own import history, reconcile_needed, table_pause
from watcher.postgres.session import Session

SHOWN_TABLES: Final = 3
"""Tables that are named; more would hide what is said of them."""


def own_tables(session: Session) -> Iterator[Finding]:
    """Find whether the watcher has run here, on this PostgreSQL, and no table waits for a comparison."""
    if there := migrate.unrecorded(session):
        named = f"{', '.join(there[:SHOWN_TABLES])}{', ...' if len(there) > SHOWN_TABLES else ''}"
        found = f"{session.schema} has {named}, and no record of the migrations that made them"
        yield fail("postgres.schema", found, migrate.RECORD_LOST.format(schema=session.schema))
        return
    if all(one.state is MigrationState.PENDING for one in migrate.status(session)):
        yield warn(
            "postgres.schema",
            f"{session.schema} has no tables",
            "`crucible migrate up` makes them, and so does the first start of the watcher",
        )
        return
    if gone := dropped(session):
        yield fail("postgres.schema", f"{session.schema} lacks {', '.join(gone)}, which migrations made", LOST)
        return
    yield _migrated(session)
    known, now = history.accepted(session), history.current(session)
    if not known:
        yield ok("postgres.history", f"{now}, not yet accepted: the watcher's first start does that")
    else:
        last = known[-1]
        yield judged(
            "postgres.history",
            last.goes_on(now),
            f"number {last.number}, {last.identity}"
            + ("" if last.identity == now else f"; PostgreSQL is now {now}")
            + ("" if last.fell_from is None else f"; set back in place from LSN {lsn_text(last.fell_from)}"),
            "if a restore or failover was meant: `crucible history accept`, then `crucible reconcile --fix`"
            if last.fell_from is None
            else "make the connector anew, then `crucible history accept`, then `crucible reconcile --fix` "
            "(docs/operating.md)",
        )
    waiting: dict[str, list[str]] = {}
    for need in reversed(reconcile_needed.needs(session)):  # the newest first
        found = f"{need.reason} since {need.since:%Y-%m-%d %H:%M}{_places(need.found)}"
        waiting.setdefault(need.source_table, []).append(found)
    for table, reasons in sorted(waiting.items()):
        yield warn(
            f"postgres.reconcile.{table}",
            "; ".join(reasons),
            "the stream cannot tell its counts: `crucible reconcile` compares them, and with --fix puts them right",
        )
    if not waiting:
        yield ok("postgres.reconcile", "no table waits for a comparison")


def paused(session: Session, group: str) -> Iterator[Finding]:
    """Find whether a person has tables' changes wait for the group of the watchers."""
    if session.read(STATEMENTS["table_exists"], f"{session.schema}.table_pause") == [(False,)]:
        return
    for table, pause in table_pause.paused(session, group).items():
        yield warn(
            f"postgres.paused.{table}",
            str(pause),
            f"`crucible tables resume {table}`, before its topic drops what was not read: kafka.topic.* says when",
        )


def _places(found: Extent) -> str:
    """Return where it was found, for a line; nothing where nobody knows."""
    if not found.first:
        return ""
    return f": {found.first}" if found.times == 1 else f": {found.times} from {found.first} to {found.last}"


def _migrated(session: Session) -> Finding:
    standing = migrate.status(session)
    pending = pending_names(standing)
    if odd := misfits(standing):
        return fail("postgres.schema", ", ".join(odd), "run the release that applied them, or a later one")
    if pending:
        found = f"{counted(len(pending), 'migration')} pending: {', '.join(pending)}"
        return warn("postgres.schema", found, "`crucible migrate up`, or start the watcher, which does the same")
    return ok("postgres.schema", f"{session.schema}, {counted(len(standing), 'migration')} applied")
