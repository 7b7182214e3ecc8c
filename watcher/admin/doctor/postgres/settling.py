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
        yield warn(
            "settle.rights",
            f"{session.schema} has no outbox",
            "`crucible migrate up` makes it, with --missing if it was dropped",
        )
        return
    found = f"{role} may write the outbox" if allowed else f"{role} lacks INSERT and UPDATE on the outbox and verdicts"
    yield judged("settle.rights", allowed, found, SETTLE)


def results(session: Session) -> Iterator[Finding]:
    """Find whether the role may write results into the site's tables."""
    ((allowed,),) = session.read(STATEMENTS["writes_results"])
    if allowed is None:
        yield warn("settle.results", "the site's tables are not there", "let settle.dsn name the site's database")
        return
    lacks = 'lacks UPDATE on columns of "CrucibleEntry" and "Crucible", or may make no temporary table'
    yield judged("settle.results", allowed, "may write scores, positions and status" if allowed else lacks, SETTLE)


def large_crucibles(session: Session) -> Iterator[Finding]:
    """Find whether an index of the site's makes large crucibles slow."""
    found = session.read(STATEMENTS["hash_of_crucibles"])
    if not found:
        yield ok("settle.large_crucibles", "no index slows them down")
        return
    yield warn(
        "settle.large_crucibles",
        f'{found[0][0]} is a hash of "crucibleId", which makes crucibles of more than some 100,000 entries slow',
        f'`DROP INDEX CONCURRENTLY "{found[0][0]}"`: the other index on "crucibleId" answers the same questions',
    )


def endings(session: Session) -> Iterator[Finding]:
    """Find crucibles whose ending waits for somebody to look."""
    ((parked,),) = session.read(STATEMENTS["parked_endings"])
    if not parked:
        yield ok("settle.endings", "none is parked")
        return
    named = ", ".join(str(crucible) for crucible in parked[:5]) + (", ..." if len(parked) > 5 else "")
    yield warn(
        "settle.endings",
        f"{len(parked)} parked: {named}",
        f"`crucible settle show {parked[0]}` says why and what to do",
    )


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
