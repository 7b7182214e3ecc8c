"""The server itself: it answers, takes writes, and logs rows."""

from collections.abc import Iterator

from watcher.admin.doctor.findings import Finding, judged
from watcher.admin.doctor.postgres.statements import STATEMENTS
from watcher.postgres.faults import READ_ONLY
from watcher.postgres.session import Session


def server(session: Session) -> Iterator[Finding]:
    """Find whether the server answers and takes writes."""
    ((version, standby, read_only),) = session.read(STATEMENTS["server"])
    found = f"version {version}" + (", a standby" if standby else ", read-only for this role" if read_only else "")
    yield judged("postgres.server", not standby and not read_only, found, READ_ONLY)


def wal_level(session: Session) -> Iterator[Finding]:
    """Find whether rows are in the write-ahead log."""
    ((level,),) = session.read(STATEMENTS["wal_level"])
    yield judged(
        "postgres.wal_level",
        level == "logical",
        str(level),
        "ALTER SYSTEM SET wal_level = 'logical', then restart PostgreSQL",
    )
