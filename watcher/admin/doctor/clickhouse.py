"""ClickHouse's side: the schema is complete, and an insert that is sent again is recognised."""

from collections.abc import Iterator
from typing import Final

from watcher.admin.doctor.deduplication import StoredTable, forgetful
from watcher.admin.doctor.findings import Finding, fail, judged, ok, warn
from watcher.clickhouse.client import Client
from watcher.clickhouse.columns import differences
from watcher.clickhouse.pinned_settings import ADVICE, pinned_settings
from watcher.clickhouse.queries import queries
from watcher.migrations.clickhouse import migrate
from watcher.migrations.clickhouse.deployment import Deployment
from watcher.migrations.clickhouse.dropped import dropped
from watcher.migrations.clickhouse.server import Server
from watcher.migrations.ledger import LOST, misfits, pending_names
from watcher.model.words import counted

MIGRATE: Final = "`crucible migrate up`"
OLDEST_VERSION: Final = (24, 8)
"""Version from which on everything that the schema uses is there."""
MIN_WINDOW_INSERTS: Final = 10_000
"""Inserts whose tokens are remembered: about an hour of three batches a second. With fewer, a request that was under
way for long could land twice."""
RAW_TABLES: Final = ("entityMetricEvents", "crucible_entry_rating")
"""Tables that inserts go to; each feeds views."""
SHOWN_TABLES: Final = 3
"""Tables that are named; more would hide what is said of them."""


def server(client: Client) -> Iterator[Finding]:
    """Find whether the server answers, and is young enough."""
    version = str(client.server_version)
    numbers = tuple(int(part) for part in version.split(".")[:2])
    yield judged(
        "clickhouse.server",
        numbers >= OLDEST_VERSION,
        f"version {version}",
        f"use {'.'.join(map(str, OLDEST_VERSION))} or later",
    )


def migrations(client: Client, deployment: Deployment) -> Iterator[Finding]:
    """Find whether every migration is applied, and none was changed afterwards."""
    standing = migrate.status(client, deployment)
    pending = pending_names(standing)
    if odd := misfits(standing):
        yield fail("clickhouse.schema", ", ".join(odd), "run the release that applied them, or a later one")
    elif gone := dropped(Server(client, deployment, migrate.silent)):
        found = f"lacks {', '.join(one.name for one in gone)}, which migrations made"
        yield (fail if any(one.written for one in gone) else warn)("clickhouse.schema", found, LOST)
    elif pending:
        yield fail("clickhouse.schema", f"{counted(len(pending), 'migration')} pending: {', '.join(pending)}", MIGRATE)
    else:
        yield ok("clickhouse.schema", f"{counted(len(standing), 'migration')} applied")


def columns(client: Client) -> Iterator[Finding]:
    """Find whether the columns have the types of the rows that are sent to them."""
    different = list(differences(client))
    advice = "mend it while the watcher stands; it does not start before"
    yield judged("clickhouse.columns", not different, "; ".join(different) or "types as sent", advice)


def settings(client: Client) -> Iterator[Finding]:
    """Find whether the user's profile lets requests have the settings that they need."""
    found = list(pinned_settings(client))
    yield judged("clickhouse.settings", not found, "; ".join(found) or "as needed", ADVICE)


def windows(client: Client, deployment: Deployment) -> Iterator[Finding]:
    """Find whether tables remember the tokens of inserts; the default of a plain MergeTree is to forget at once."""
    kind = "non_replicated" if deployment.kind == "single" else "replicated"
    views, database = list(migrate.made_views()), client.database or "default"
    stored = [StoredTable(*row) for row in client.query(queries()["tables_of_inserts"]).result_rows]
    own_names = {*RAW_TABLES, *(view.target for view in views)}
    ours = [one for one in stored if one.database == database and one.name in own_names]
    short = [
        f"{one.name} ({'default' if one.window is None else one.window})"
        for one in ours
        if (one.window or 0) < MIN_WINDOW_INSERTS
    ]
    yield judged(
        "clickhouse.deduplication",
        bool(ours) and not short,
        f"too short for {', '.join(short)}" if short else f"{counted(len(ours), 'table')} with tokens of inserts",
        f"{MIGRATE}, or ALTER TABLE ... MODIFY SETTING {kind}_deduplication_window = {MIN_WINDOW_INSERTS}",
    )
    others = list(forgetful(stored, database, RAW_TABLES, {view.name for view in views}))
    if others:
        named = ", ".join(f"{one.table} behind {one.view}" for one in others[:SHOWN_TABLES])
        yield warn(
            "clickhouse.views_of_others",
            f"{named}{', ...' if len(others) > SHOWN_TABLES else ''}: an insert that is sent again counts there twice",
            f"ALTER TABLE {others[0].table} MODIFY SETTING non_replicated_deduplication_window = {MIN_WINDOW_INSERTS}",
        )


def block_size(client: Client, max_rows: int) -> Iterator[Finding]:
    """Find whether a batch is one block, hence all or nothing."""
    limit = int(client.query(queries()["max_block_rows"]).result_rows[0][0])
    advice = f"set batch.max_rows to {limit} or less"
    yield judged("clickhouse.block_size", limit >= max_rows, counted(limit, "row"), advice)


def rights(client: Client) -> Iterator[Finding]:
    """Find whether the user may read and insert, and bring in rows that an insert's part was lost with."""
    database = _quoted(client.database)
    wanted = [
        *((verb, f"{database}.{table}") for table in RAW_TABLES for verb in ("SELECT", "INSERT", "ALTER TABLE")),
        *((verb, f"{database}.watcher_mark") for verb in ("SELECT", "INSERT")),
        *((verb, f"{database}.*") for verb in ("CREATE TABLE", "DROP TABLE")),
        *(("SELECT", f"{database}.{view.target}") for view in migrate.made_views()),
    ]
    lacking = [f"{verb} ON {on}" for verb, on in wanted if client.command(f"CHECK GRANT {verb} ON {on}") != 1]
    if lacking:
        grants = "; ".join(f"GRANT {one} TO ..." for one in lacking)
        yield warn("clickhouse.rights", f"lacks {', '.join(lacking)}", f"{grants}, the user of clickhouse.username")
    else:
        yield ok("clickhouse.rights", "as needed")


def _quoted(name: str | None) -> str:
    return f"`{name or 'default'}`"
