"""The signal table, by which the connector is asked for a table's rows: there, published, and ours to write to."""

from collections.abc import Iterator

import msgspec

from watcher.admin.connector.signalled import SIGNALS
from watcher.admin.doctor.findings import Finding, ok, warn
from watcher.admin.doctor.postgres.names import GRANT, PREPARE, SourceNames
from watcher.admin.doctor.postgres.rights import Grant
from watcher.admin.doctor.postgres.statements import STATEMENTS
from watcher.postgres.session import Session

CHECK = "postgres.signals"


def signals(session: Session, names: SourceNames) -> Iterator[Finding]:
    """Find whether `crucible backfill --by-connector` can ask the connector for rows; nothing else needs it.

    Args:
        session: PostgreSQL, as the watcher's role.
        names: of the publication by which the connector hears of what is written there.
    """
    if session.read(STATEMENTS["table_exists"], SIGNALS) == [(False,)]:
        yield warn(CHECK, f"there is no table {SIGNALS}", PREPARE)
        return
    published = {str(table) for table, *_ in session.read(STATEMENTS["published_tables"], names.publication)}
    if SIGNALS not in published:
        advice = f"ALTER PUBLICATION {names.publication} ADD TABLE {SIGNALS}, or {PREPARE}"
        yield warn(CHECK, f"{names.publication} lacks {SIGNALS}: the connector hears of no signal", advice)
        return
    schema, _, _ = SIGNALS.partition(".")
    wanted = [Grant("SCHEMA", schema, "USAGE"), Grant("TABLE", SIGNALS, "INSERT")]
    grants = msgspec.json.encode(wanted).decode()
    lacking = session.read(STATEMENTS["lacking_grants"], {"grants": grants, "role": None})
    if lacking:
        missing = ", ".join(f"{privilege} on {on}" for on, privilege in lacking)
        advice = "; ".join(f"GRANT {privilege} ON {on} TO ..." for on, privilege in lacking)
        yield warn(CHECK, f"the role of postgres.dsn lacks {missing}", f"{advice}; or {GRANT}")
    else:
        yield ok(CHECK, f"{SIGNALS}: published, and this role may write to it")
