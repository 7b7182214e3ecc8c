"""The replica that comparisons read: it answers, is one, and is not far behind."""

from collections.abc import Iterator
from typing import Final

from watcher.admin.doctor.findings import Finding, ok, warn
from watcher.admin.doctor.postgres.statements import STATEMENTS
from watcher.postgres.session import Session

MAX_BEHIND_SECONDS: Final = 60
"""Seconds that a replica may be behind. Less: a backup or a long query warns; more: what is newer is read twice for
long."""


def reader(session: Session) -> Iterator[Finding]:
    """Find whether a replica answers, and how far it is behind."""
    ((version, standby, seconds),) = session.read(STATEMENTS["reader"])
    name, said = "postgres.reader", f"version {version}"
    if not standby:
        yield warn(name, f"{said}, no replica", "let postgres.reader_dsn name a streaming replica, or leave it out")
    elif seconds is None or seconds <= MAX_BEHIND_SECONDS:
        yield ok(name, f"{said}, a replica")
    else:
        advice = (
            "what is newer is compared where rows are written, which reads them twice: see why it does not catch up"
        )
        yield warn(name, f"{said}, a replica, {seconds:.0f} s behind", advice)
