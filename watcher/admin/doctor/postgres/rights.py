"""The watcher's role: it may read what it reads, and write its own schema."""

from collections.abc import Iterator

from watcher.admin.doctor.findings import Finding, judged
from watcher.admin.doctor.postgres.names import GRANT, SourceNames
from watcher.admin.doctor.postgres.statements import STATEMENTS
from watcher.model.change import SITE_SCHEMA
from watcher.postgres.session import Session
from watcher.postgres.site.read_tables import READ_TABLES


def rights(session: Session, names: SourceNames) -> Iterator[Finding]:
    """Find whether the role may read the watched tables and the site's others, and write its own schema."""
    lacking = [
        f"SELECT on {table}"
        for table, allowed in session.read(
            STATEMENTS["readable"],
            [*names.tables, *(f"{SITE_SCHEMA}.{name}" for name in READ_TABLES)],
        )
        if not allowed
    ]
    own = session.read(STATEMENTS["own_schema"], session.schema)
    if not own:
        lacking.append(f"the schema {session.schema}, which does not exist")
    elif not own[0][0]:
        lacking.append(f"USAGE and CREATE on schema {session.schema}")
    yield judged("postgres.rights", not lacking, f"lacks {', '.join(lacking)}" if lacking else "as needed", GRANT)
