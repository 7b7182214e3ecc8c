"""The watched tables: their log has whole rows, and every change of them is published."""

from collections.abc import Iterator
from typing import Final

from watcher.admin.doctor.findings import Finding, fail, judged
from watcher.admin.doctor.postgres.names import HEARTBEAT, PREPARE, SourceNames
from watcher.admin.doctor.postgres.statements import STATEMENTS
from watcher.postgres.session import Session

IDENTITIES: Final = {"f": "FULL", "d": "DEFAULT", "n": "NOTHING", "i": "an index"}
"""What ``pg_class.relreplident`` means."""


def tables(session: Session, names: SourceNames) -> Iterator[Finding]:
    """Find whether each table exists with whole rows in its log; without the old one, a delete cannot be taken back."""
    identities = dict(session.read(STATEMENTS["replica_identities"], list(names.tables)))
    for table in names.tables:
        schema, _, plain = table.partition(".")
        identity, name = identities.get(table), f"postgres.replica_identity.{plain}"
        if identity is None:
            advice = (
                "`crucible migrate up`" if schema == session.schema else "point postgres.dsn to the site's database"
            )
            yield fail(name, "the table does not exist", advice)
        else:
            yield judged(
                name,
                identity == "f",
                IDENTITIES[identity],
                f'ALTER TABLE {schema}."{plain}" REPLICA IDENTITY FULL, or {PREPARE}',
            )


def publication(session: Session, names: SourceNames) -> Iterator[Finding]:
    """Find whether every change of the tables, and the heartbeat, are published."""
    name = "postgres.publication"
    rows = session.read(STATEMENTS["publication"], names.publication)
    if not rows:
        yield fail(name, f"there is no publication {names.publication}", PREPARE)
        return
    published = {str(table) for (table,) in session.read(STATEMENTS["published_tables"], names.publication)}
    missing = sorted({*names.tables, HEARTBEAT} - published)
    if missing:
        yield fail(name, f"{names.publication} lacks {', '.join(missing)}", PREPARE)
    else:
        yield judged(
            name,
            bool(rows[0][0]),
            f"{names.publication}, {len(published)} tables"
            + ("" if rows[0][0] else ", without some of insert, update, delete, truncate"),
            f"ALTER PUBLICATION {names.publication} SET (publish = 'insert, update, delete, truncate')",
        )
