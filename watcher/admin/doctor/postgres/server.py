"""The server itself: it answers, takes writes, and logs rows."""

from collections.abc import Iterator

from watcher.admin.doctor.findings import Finding, judged
from watcher.admin.doctor.postgres.statements import STATEMENTS
from watcher.postgres.session import Session


def server(session: Session) -> Iterator[Finding]:
    """Find whether the server answers and is no standby."""
    ((version, standby),) = session.read(STATEMENTS["server"])
    yield judged(
        "postgres.server",
        not standby,
        f"version {version}" + (", a standby" if standby else ""),
        "point postgres.dsn to the primary, e.g. with target_session_attrs=read-write",
    )


def wal_level(session: Session) -> Iterator[Finding]:
    """Find whether rows are in the write-ahead log."""
    ((level,),) = session.read(STATEMENTS["wal_level"])
    yield judged(
        "postgres.wal_level",
        level == "logical",
        str(level),
        "ALTER SYSTEM SET wal_level = 'logical', then restart PostgreSQL",
    )
