"""What stands between the watcher and the server: nothing, or a pooler that keeps transactions together."""

from collections.abc import Iterator

from watcher.admin.doctor.findings import Finding, ok
from watcher.postgres.pooling import is_pooled
from watcher.postgres.session import Session


def pooler(session: Session, neighbour: str = "postgres") -> Iterator[Finding]:
    """Find whether a pooler hands connections on; one that takes transactions apart is refused in words of its own.

    Args:
        session: a connection.
        neighbour: whose.
    """
    if is_pooled(session):
        yield ok(f"{neighbour}.pooler", "a pooler hands the server's connections on, and keeps transactions together")
    else:
        yield ok(f"{neighbour}.pooler", "none: the connection is the server's own")
