"""The watched tables: their log has whole rows, and every change of them is published, partitions included."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from watcher.admin.doctor.findings import Finding, fail, judged
from watcher.admin.doctor.postgres.names import HEARTBEAT, PREPARE, SourceNames
from watcher.admin.doctor.postgres.statements import STATEMENTS
from watcher.model.words import counted
from watcher.postgres.session import Session

IDENTITIES: Final = {"f": "FULL", "d": "DEFAULT", "n": "NOTHING", "i": "an index"}
"""What ``pg_class.relreplident`` means."""
FULL: Final = "f"
SHOWN_PARTITIONS: Final = 3
"""Partitions that are named; more would hide what is said of them."""


def tables(session: Session, names: SourceNames) -> Iterator[Finding]:
    """Find whether each table exists with whole rows in its log; without the old one, a delete cannot be taken back."""
    identities: dict[str, dict[str, str]] = defaultdict(dict)
    for table, part, identity in session.read(STATEMENTS["replica_identities"], list(names.tables)):
        identities[str(table)][str(part)] = str(identity)
    partitioned = {table for (table,) in session.read(STATEMENTS["partitioned"], list(names.tables))}
    for table in names.tables:
        name = f"postgres.replica_identity.{table.partition('.')[2]}"
        if table not in identities and table not in partitioned:
            own = table.startswith(f"{session.schema}.")
            advice = (
                "`crucible migrate up`, with --missing if it was dropped"
                if own
                else "point postgres.dsn to the site's database"
            )
            yield fail(name, "the table does not exist", advice)
        else:
            yield _identity(name, identities[table], has_partitions=table in partitioned)


def _identity(name: str, parts: dict[str, str], *, has_partitions: bool) -> Finding:
    short = {part: identity for part, identity in parts.items() if identity != FULL}
    found = " and ".join(sorted({IDENTITIES[one] for one in (short or parts).values()})) or "no partitions yet"
    if has_partitions and parts:
        found += f" at {len(short or parts)} of {counted(len(parts), 'partition')}"
        found += f": {_named(list(short))}" if short else ""
    advice = "; ".join(f"ALTER TABLE {part} REPLICA IDENTITY FULL" for part in list(short)[:SHOWN_PARTITIONS])
    return judged(name, not short, found, f"{advice}, or {PREPARE}")


def publication(session: Session, names: SourceNames) -> Iterator[Finding]:
    """Find whether every change of the tables, and the heartbeat, are published: whole rows, and all of them."""
    name = "postgres.publication"
    rows = session.read(STATEMENTS["publication"], names.publication)
    if not rows:
        yield fail(name, f"there is no publication {names.publication}", PREPARE)
        return
    ((every_kind, via_root),) = rows
    partitioned = {table for (table,) in session.read(STATEMENTS["partitioned"], list(names.tables))}
    if partitioned and not via_root:
        yield fail(
            name,
            f"{names.publication} publishes changes of partitions of {_named(sorted(partitioned))} as the partitions'",
            f"ALTER PUBLICATION {names.publication} SET (publish_via_partition_root = true); what changed until then "
            "is lost to the stream",
        )
        return
    published = {
        str(table): (columns, condition)
        for table, columns, condition in session.read(STATEMENTS["published_tables"], names.publication)
    }
    missing = sorted({*names.tables, HEARTBEAT} - published.keys())
    with_lists = {table for (table,) in session.read(STATEMENTS["listed_columns"], names.publication)}
    listed = sorted(with_lists.intersection(names.tables))
    filtered = sorted(table for table in names.tables if published.get(table, ((), None))[1])
    if missing:
        yield fail(name, f"{names.publication} lacks {', '.join(missing)}", PREPARE)
    elif filtered:
        yield fail(name, f"{names.publication} leaves out rows of {_named(filtered)}, by a condition", PREPARE)
    elif listed:
        yield fail(
            name,
            f"{names.publication} has a list of columns for {_named(listed)}: PostgreSQL refuses each UPDATE and "
            "DELETE there, the site's too, for whole rows are to be in the log",
            PREPARE,
        )
    else:
        yield judged(
            name,
            bool(every_kind),
            f"{names.publication}, {counted(len(published), 'table')}"
            + ("" if every_kind else ", without some of insert, update, delete, truncate"),
            f"ALTER PUBLICATION {names.publication} SET (publish = 'insert, update, delete, truncate')",
        )


def _named(tables: Sequence[str]) -> str:
    return ", ".join(tables[:SHOWN_PARTITIONS]) + (", ..." if len(tables) > SHOWN_PARTITIONS else "")
