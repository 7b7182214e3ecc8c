"""The role that moves money: it may write what was decided, and the ledger is its own and nobody else's."""

from collections.abc import Iterator

from watcher.admin.doctor.findings import Finding, fail, judged, ok, warn
from watcher.admin.doctor.postgres.statements import STATEMENTS
from watcher.postgres.session import Session

SETTLE = "run debezium/postgres/settle.sql as an administrator"


def settling(session: Session) -> Iterator[Finding]:
    """Find whether the role of ``settle.dsn`` may write the outbox and the verdicts."""
    ((role, allowed),) = session.read(STATEMENTS["settles"], session.schema)
    if allowed is None:
        yield warn("settle.rights", f"{session.schema} has no outbox", "`crucible migrate up` makes it")
        return
    found = f"{role} may write the outbox" if allowed else f"{role} lacks INSERT and UPDATE on the outbox and verdicts"
    yield judged("settle.rights", allowed, found, SETTLE)


def opt_outs(session: Session) -> Iterator[Finding]:
    """Find whether the role may see who has switched notifications off; without that nobody is told anything."""
    ((allowed,),) = session.read(STATEMENTS["reads_opt_outs"])
    if allowed is None:
        yield ok("settle.opt_outs", "the site has no UserNotificationSettings: everybody is told")
    else:
        found = "may be read" if allowed else 'lacks SELECT on "UserNotificationSettings"'
        yield judged("settle.opt_outs", allowed, found, SETTLE)


def ledger(session: Session, schema: str) -> Iterator[Finding]:
    """Find whether the ledger's schema is there, and is this role's to write."""
    own = session.read(STATEMENTS["own_schema"], schema)
    if not own:
        yield fail("settle.ledger", f"the schema {schema} does not exist", SETTLE)
    elif not own[0][0]:
        yield fail("settle.ledger", f"lacks USAGE and CREATE on schema {schema}", SETTLE)
    else:
        yield ok("settle.ledger", schema)
