"""How fast rows and counts are compared: 1,000,000 entries, all counted, and 10,000,000 of which some were not.

The parts are production's. A process of its own, ``crucible reconcile``, adds up the rows in PostgreSQL and what was
counted of them in ClickHouse, range by range, and reads row by row only where the sums differ: in one range of the
larger table, where a thousand entries were never counted.
"""

import os
import time

import psycopg
from rich.console import Console

from benchmarks.rebuild import _settings_of
from benchmarks.results import Result
from benchmarks.settle import _run
from demo.play import own_folder
from stack.topology import Options, Stack
from tests import site_database
from tests.clickhouse_clients import ClickHouseClients

SIZES_ROWS = (1_000_000, 10_000_000)
BLOCK_ROWS = 1_000_000
"""Entries that are written at a time."""
CRUCIBLES, USERS = 10_000, 100_000
UNCOUNTED_ROWS = 1_000
RATE_GOAL_PER_SECOND, MEMORY_GOAL_MB = 200_000, 400
DIFFERS = 1
"""Exit code of the command where something differs."""

ROWS = """INSERT INTO "CrucibleEntry" (id, "crucibleId", "userId", "imageId")
    SELECT n, 1 + n %% 10000, 1 + n %% 100000, 1 + n %% 20 FROM generate_series(%s::bigint, %s::bigint) n"""
EVENTS = """INSERT INTO entityMetricEvents
    (entityType, entityId, userId, metricType, metricValue, createdAt, source, sourceKey, sourceLsn, sourceId,
     sourceIndex)
    SELECT {entity}, 1, now64(3), 'CrucibleEntry', n, n, leftPad(toString(n), 16, '0'), {number}
    FROM (SELECT number + {low:UInt64} AS n FROM numbers({many:UInt64}))"""
METRICS = (
    ("'Crucible', 1 + n % 10000, 1 + n % 100000, 'Entry'", 0),
    ("'User', 1 + n % 100000, 1 + n % 100000, 'crucibleEntryCount'", 1),
)


def measure(console: Console) -> list[Result]:
    """Compare tables of both sizes.

    Raises:
        RuntimeError: the command did not come to what is right.
    """
    seconds, most = list[float](), 0.0
    with (
        own_folder() as folder,
        Stack(folder / "stack", ("clickhouse", "postgres"), Options(fsync=False)) as stack,
        _settings_of(stack),
    ):
        dsn = str(stack.endpoints.postgres_dsn)
        site_database.prepare(dsn)
        os.environ["CRUCIBLE_POSTGRES__DSN"] = site_database.as_role(dsn, site_database.WATCHER_ROLE)
        _run("migrate", "up")
        written = 0
        for size in SIZES_ROWS:
            console.print(f"writing {size - written:,} entries and twice as many events")
            uncounted = UNCOUNTED_ROWS if size == max(SIZES_ROWS) else 0
            _write(stack, dsn, written, size, uncounted)
            written = size
            began = time.monotonic()
            code, peak = _run("reconcile", "--table", "CrucibleEntry")
            seconds.append(time.monotonic() - began)
            most = max(most, peak)
            if code != (DIFFERS if uncounted else 0):
                raise RuntimeError(f"comparing {size:,} entries exited with {code}")
            console.print(f"  {seconds[-1]:.1f} s, {peak:,.0f} MB")
    growth = (seconds[1] / SIZES_ROWS[1]) / (seconds[0] / SIZES_ROWS[0])
    return [
        Result("reconcile_rows_per_s", round(SIZES_ROWS[1] / seconds[1]), "rows/s", goal=RATE_GOAL_PER_SECOND),
        Result("reconcile_peak_rss_mb", round(most), "MB", goal=MEMORY_GOAL_MB, lower_is_better=True),
        Result("reconcile_10m_vs_1m_per_row", round(growth, 2), "x", goal=1.3, lower_is_better=True),
    ]


def _write(stack: Stack, dsn: str, above: int, upto: int, uncounted: int) -> None:
    """Write entries with ids above one up to another, and count all but the last few."""
    clients = ClickHouseClients(stack.endpoints)
    clickhouse = clients.of(str(stack.endpoints.clickhouse_database))
    with psycopg.connect(dsn, autocommit=True) as site:
        site.execute("SET session_replication_role = replica")  # no foreign key is looked up: the rows say enough
        for low in range(above + 1, upto + 1, BLOCK_ROWS):
            high = min(upto, low + BLOCK_ROWS - 1)
            site.execute(ROWS, (low, high))
            for entity, number in METRICS:
                many = min(high, upto - uncounted) - low + 1
                text = EVENTS.replace("{entity}", entity).replace("{number}", str(number))
                clickhouse.command(text, parameters={"low": low, "many": many})
        site.execute('ANALYZE "CrucibleEntry"')
    clients.close()
