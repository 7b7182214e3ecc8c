"""What was promised inside and not done outside: rows of the outbox that wait for somebody to look."""

from collections.abc import Iterator

from watcher.admin.doctor.findings import Finding, ok, warn
from watcher.admin.doctor.postgres.statements import STATEMENTS
from watcher.model.outbox import OutboxState
from watcher.model.words import counted
from watcher.postgres.own import outbox
from watcher.postgres.session import Session


def parked(session: Session) -> Iterator[Finding]:
    """Find fees, prizes and notices that were refused for good; nothing before there is a table for them."""
    if session.read(STATEMENTS["table_exists"], f"{session.schema}.outbox") == [(False,)]:
        return
    found = [
        f"{counted(one.rows, 'row')} of {one.channel}"
        for one in outbox.waiting(session)
        if one.state is OutboxState.PARKED
    ]
    if found:
        yield warn(
            "postgres.outbox",
            f"{' and '.join(found)} parked: nobody tries again",
            '`crucible outbox list --state parked`; docs/entries.md, "Who moves money", says what to do',
        )
    else:
        yield ok("postgres.outbox", "nothing is parked")
