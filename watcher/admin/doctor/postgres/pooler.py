"""What stands between the watcher and the server: nothing, or a pooler that keeps transactions together."""

from collections.abc import Iterator

from watcher.admin.doctor.findings import Finding, judged, ok
from watcher.admin.doctor.postgres.statements import STATEMENTS
from watcher.postgres.session import Session


def pooler(session: Session) -> Iterator[Finding]:
    """Find whether a pooler hands connections on, and whether what belongs together stays on one of them.

    A pooler that takes transactions apart (``pool_mode = statement``) refuses the block; its words are the finding.
    """
    with session.together():
        backends = [session.read(STATEMENTS["backend"])[0][0] for _ in range(2)]
    if backends[0] == session.backend:
        yield ok("postgres.pooler", "none: the connection is the server's own")
    else:
        yield judged(
            "postgres.pooler",
            backends[0] == backends[1],
            "a pooler hands the server's connections on, and keeps transactions together",
            "let pool_mode be transaction or session for postgres.dsn",
        )
