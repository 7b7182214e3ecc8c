"""Rights in PostgreSQL, grant by grant: of the watcher's role, and of the role that Debezium reads as."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from watcher.admin.connector.signalled import SIGNALS
from watcher.admin.doctor.findings import Finding, fail, judged, warn
from watcher.admin.doctor.postgres.names import GRANT, HEARTBEAT, PREPARE, SourceNames
from watcher.admin.doctor.postgres.statements import STATEMENTS
from watcher.model.change import SITE_SCHEMA
from watcher.postgres.session import Session
from watcher.postgres.site.read_tables import READ_TABLES

SHIPPED_ROLE: Final = "crucible_debezium"
"""The role that ``debezium/postgres/replication.sql`` makes."""
_VARIABLE: Final = re.compile(r"\$\{env:(\w+)\}")


class Grant(msgspec.Struct, frozen=True):
    """One privilege on one object, as GRANT names them."""

    kind: str
    name: str
    privilege: str


def rights(session: Session, names: SourceNames) -> Iterator[Finding]:
    """Find whether the watcher's role may read the watched tables and the site's others, and write its own schema."""
    tables = dict.fromkeys([*names.tables, *(f"{SITE_SCHEMA}.{name}" for name in READ_TABLES)])
    wanted = [
        *(Grant("TABLE", _quoted(table), "SELECT") for table in tables),
        Grant("SCHEMA", SITE_SCHEMA, "USAGE"),
        *(Grant("SCHEMA", session.schema, privilege) for privilege in ("USAGE", "CREATE")),
    ]
    if not session.read(STATEMENTS["own_schema"], session.schema):
        yield fail("postgres.rights", f"the schema {session.schema} does not exist", GRANT)
    else:
        yield _judged("postgres.rights", session, wanted, None, GRANT)


def debezium_rights(session: Session, names: SourceNames, role: str | None) -> Iterator[Finding]:
    """Find whether the connector's role may stream, read the watched tables, and write heartbeat and signals.

    Args:
        session: a connection, of any role.
        names: of the watched tables.
        role: the connector's; None: nobody has told.
    """
    name, role = "postgres.debezium_rights", role or SHIPPED_ROLE
    rows = session.read(STATEMENTS["replicates"], role)
    if not rows:
        yield warn(
            name,
            f"there is no role {role}, so what the connector may do is not known",
            "run this where CRUCIBLE_DEBEZIUM_USER says what database.user of the connector's file is",
        )
        return
    if rows != [(True,)]:
        yield fail(name, f"{role} may not log in and stream", f"ALTER ROLE {role} LOGIN REPLICATION, or {PREPARE}")
        return
    wanted = [
        *(Grant("TABLE", _quoted(table), "SELECT") for table in names.tables),
        *(Grant("SCHEMA", schema, "USAGE") for schema in sorted(_schemas([*names.tables, HEARTBEAT]))),
        *(Grant("TABLE", _quoted(HEARTBEAT), privilege) for privilege in ("SELECT", "INSERT", "UPDATE")),
        *(Grant("TABLE", _quoted(SIGNALS), privilege) for privilege in ("SELECT", "INSERT", "DELETE")),
    ]
    yield _judged(name, session, wanted, role, PREPARE)


def role_of_connector(config: Mapping[str, str], environ: Mapping[str, str]) -> str | None:
    """Return the role that a connector's file names, itself or by a variable of the environment; None: unknown there.

    >>> role_of_connector({"database.user": "${env:WHO}"}, {"WHO": "cdc"})
    'cdc'
    """
    named = config.get("database.user", "")
    variable = _VARIABLE.fullmatch(named)
    if variable is not None:
        return environ.get(variable[1])
    return named if named and "${" not in named else None


def _judged(name: str, session: Session, wanted: Iterable[Grant], role: str | None, file: str) -> Finding:
    grants = msgspec.json.encode(list(wanted)).decode()
    lacking = session.read(STATEMENTS["lacking_grants"], {"grants": grants, "role": role})
    who = role or "the role of postgres.dsn"
    return judged(
        name,
        not lacking,
        f"{who} lacks {', '.join(f'{privilege} on {on}' for on, privilege in lacking)}" if lacking else "as needed",
        f"{'; '.join(f'GRANT {privilege} ON {on} TO ...' for on, privilege in lacking)}; or {file}",
    )


def _quoted(table: str) -> str:
    """Return a table's name with its schema as SQL writes it.

    >>> _quoted("public.Crucible")
    '"public"."Crucible"'
    """
    return ".".join(f'"{part}"' for part in table.split(".", 1))


def _schemas(tables: Iterable[str]) -> set[str]:
    return {table.partition(".")[0] for table in tables}
