"""PostgreSQL's side: what is logged, what is published, who streams it, and what the watcher keeps there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from watcher.admin.doctor.findings import Finding, fail, judged, ok, warn
from watcher.postgres.own import history, reconcile_needed
from watcher.postgres.session import Session

PREPARE: Final = "run debezium/postgres/replication.sql as an administrator"
GRANT: Final = "run debezium/postgres/watcher.sql as an administrator"
GIBIBYTE: Final = 1024**3
RETAINED: Final = GIBIBYTE
"""Bytes of log held for the slot from which on it is worth a look; a busy site writes that in minutes, not in hours."""
READ: Final = ("User", "Image", "Thread", "CommentV2", "CommentV2Reaction")
"""Tables of the site that are read besides the watched ones: who may vote, which images are shown, what is said."""
HEARTBEAT: Final = "crucible_debezium.heartbeat"
"""Table that the connector's heartbeat writes; debezium/postgres/replication.sql makes it."""
BEAT: Final = 60.0
"""Seconds without a heartbeat until it is late: six times the connector's interval."""


@dataclass(frozen=True, slots=True)
class SourceNames:
    """What the connector is told to use in PostgreSQL."""

    tables: tuple[str, ...]
    """Names in the schema ``public``, as PostgreSQL spells them."""
    slot: str
    publication: str


def server(session: Session) -> Iterator[Finding]:
    """It answers, and is no standby."""
    ((version, standby),) = session.run("SELECT current_setting('server_version'), pg_is_in_recovery()")
    yield judged(
        "postgres.server",
        not standby,
        f"version {version}" + (", a standby" if standby else ""),
        "point postgres.dsn to the primary, e.g. with target_session_attrs=read-write",
    )


def wal_level(session: Session) -> Iterator[Finding]:
    """Rows are in the log."""
    ((level,),) = session.run("SELECT current_setting('wal_level')")
    yield judged(
        "postgres.wal_level",
        level == "logical",
        str(level),
        "ALTER SYSTEM SET wal_level = 'logical', then restart PostgreSQL",
    )


def tables(session: Session, names: SourceNames) -> Iterator[Finding]:
    """The tables exist, and their log has whole rows: without the old one, a delete cannot be taken back."""
    rows = session.run(
        "SELECT relname, relreplident::text FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relname = ANY(%s) AND relkind IN ('r', 'p')",
        list(names.tables),
    )
    identities = dict(rows)
    for table in names.tables:
        identity = identities.get(table)
        name = f"postgres.replica_identity.{table}"
        if identity is None:
            yield fail(name, "the table does not exist", "point postgres.dsn to the site's database")
        else:
            yield judged(
                name,
                identity == "f",
                {"f": "FULL", "d": "DEFAULT", "n": "NOTHING", "i": "an index"}[identity],
                f'ALTER TABLE public."{table}" REPLICA IDENTITY FULL, or {PREPARE}',
            )


def publication(session: Session, names: SourceNames) -> Iterator[Finding]:
    """Every change of the tables, and the heartbeat, are published."""
    name = "postgres.publication"
    rows = session.run(
        "SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate FROM pg_publication WHERE pubname = %s",
        names.publication,
    )
    if not rows:
        yield fail(name, f"there is no publication {names.publication}", PREPARE)
        return
    published = {
        f"{schema}.{table}"
        for schema, table in session.run(
            "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = %s", names.publication
        )
    }
    missing = sorted({*(f"public.{table}" for table in names.tables), HEARTBEAT} - published)
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


def slot(session: Session, names: SourceNames) -> Iterator[Finding]:
    """Somebody streams, and the log held back for that is not running away."""
    name = "postgres.slot"
    rows = session.run(
        "SELECT active, wal_status, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint "
        "FROM pg_replication_slots WHERE slot_name = %s AND database = current_database()",
        names.slot,
    )
    if not rows:
        yield fail(name, f"there is no slot {names.slot}", "start the connector: `crucible connector apply`")
        return
    ((active, status, retained),) = rows
    held = f"{(retained or 0) / GIBIBYTE:.2f} GiB of log held"
    if status in {"lost", "unreserved"}:
        yield fail(
            name,
            f"{names.slot}: {status}, {held}",
            "lost: changes are gone. Delete the slot, apply the connector anew and compare with PostgreSQL afterwards"
            if status == "lost"
            else "the log that it needs is about to go: get the connector to read now, or raise max_slot_wal_keep_size",
        )
    elif not active:
        yield fail(
            name, f"{names.slot}: nobody streams, {held}", "see `crucible connector status`; the disk fills meanwhile"
        )
    elif (retained or 0) > RETAINED:
        yield warn(name, f"{names.slot}: streams, {held}", "the connector lags: see its tasks and Kafka's load")
    else:
        yield ok(name, f"{names.slot}: streams, {held}")


def heartbeat(session: Session) -> Iterator[Finding]:
    """The heartbeat is written: it moves the slot on while the tables are quiet, and tells idle from stalled."""
    name = "postgres.heartbeat"
    if not session.run("SELECT 1 FROM pg_class WHERE oid = to_regclass(%s)", HEARTBEAT):
        yield fail(name, f"there is no table {HEARTBEAT}", PREPARE)
        return
    ((age,),) = session.run("SELECT extract(epoch FROM now() - max(beat))::float8 FROM crucible_debezium.heartbeat")
    if age is None:
        yield fail(name, "never written", "start the connector; its role needs INSERT and UPDATE on the table")
    else:
        yield judged(name, age < BEAT, f"{age:.0f} s ago", "see `crucible connector status` and heartbeat.action.query")


def rights(session: Session, names: SourceNames) -> Iterator[Finding]:
    """The watcher's role may read the tables and write its own schema."""
    lacking = [
        f"SELECT on {table}"
        for table, allowed in session.run(
            "SELECT relname, has_table_privilege(oid, 'SELECT') FROM pg_class "
            "WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%s)",
            [*names.tables, *READ],
        )
        if not allowed
    ]
    own = session.run(
        "SELECT has_schema_privilege(oid, 'USAGE') AND has_schema_privilege(oid, 'CREATE') FROM pg_namespace "
        "WHERE nspname = %s",
        session.schema,
    )
    if not own:
        lacking.append(f"the schema {session.schema}, which does not exist")
    elif not own[0][0]:
        lacking.append(f"USAGE and CREATE on schema {session.schema}")
    yield judged("postgres.rights", not lacking, f"lacks {', '.join(lacking)}" if lacking else "as needed", GRANT)


def own_tables(session: Session) -> Iterator[Finding]:
    """The watcher has run here, PostgreSQL is still the one that it knew, and no table waits for a comparison."""
    there = session.run("SELECT to_regclass(%s) IS NOT NULL", f"{session.schema}.history")[0][0]
    if not there:
        yield warn("postgres.schema", f"{session.schema} has no tables", "start the watcher once, it creates them")
        return
    yield ok("postgres.schema", session.schema)
    known, now = history.accepted(session), history.current(session)
    if not known:
        yield ok("postgres.history", f"{now}, not yet accepted: the watcher's first start does that")
    else:
        last = known[-1]
        yield judged(
            "postgres.history",
            last.identity == now,
            f"number {last.number}, {last.identity}" + ("" if last.identity == now else f"; PostgreSQL is now {now}"),
            "if a restore or failover was meant: `crucible history accept`",
        )
    waiting = reconcile_needed.needs(session)
    for need in waiting:
        yield warn(
            f"postgres.reconcile.{need.source_table}",
            f"{need.reason} since {need.since:%Y-%m-%d %H:%M}",
            "the stream cannot tell this table's counts; compare them with PostgreSQL",
        )
    if not waiting:
        yield ok("postgres.reconcile", "no table waits for a comparison")
