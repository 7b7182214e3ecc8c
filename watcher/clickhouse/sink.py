"""Metric rows in ClickHouse, each change once.

Idempotent by two independent means: rows carry the identity of their change, and what is there already is not sent
again; and an insert carries the plan's token, so that a request which lands late is one that ClickHouse has seen.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from hashlib import blake2b
from itertools import chain
from typing import Any

from clickhouse_connect.driver.client import Client

from watcher.clickhouse.link import INSERT_SETTINGS, READ_SETTINGS, ClickHouseLink
from watcher.clickhouse.view_gaps import complete, settled_gap
from watcher.model.errors import SinkDisagreesError
from watcher.model.metric_columns import PACKED_COLUMNS, SOURCE_ID
from watcher.model.metric_rows import MetricRows, log_ranges
from watcher.model.plan import Plan
from watcher.model.view_gaps import Gap, Key, contribution

TABLE = "entityMetricEvents"
TOTAL_VIEWS = ("totals_by_metric", "totals_by_day", "totals_by_hour")
"""The named queries that read each view's totals for some keys; ``totals_raw`` reads the table's."""


class Outcome(Enum):
    """What writing a plan came to. Labels a counter."""

    WRITTEN = "written"
    REPEATED = "repeated"
    """Every change was there already."""
    RECOVERED = "recovered"
    """The first attempt's fate was unknown; the rows are there now, once."""
    HEALED = "healed"
    """ClickHouse remembered the token but had lost the part; the rows were attached without firing a view."""


class ClickHouseSink:
    """The ClickHouse server.

    Args:
        connect: makes a client; called again after a failure, because the old connection's state is unknown.
        queries: the named queries of ``clickhouse_sql/queries/metric_rows.sql``.
    """

    def __init__(self, connect: Callable[[], Client], queries: Mapping[str, str]) -> None:
        self._link = ClickHouseLink(connect)
        self._queries = queries

    def present(self, batches: Sequence[MetricRows]) -> set[bytes]:
        """Identities of the batches' changes that are there already, and of others near them: one question.

        Raises:
            TemporaryError: the server is away.
        """
        with self._link.asking():
            return self._present(batches)

    def write(self, plan: Plan, rows: MetricRows, before_send: Callable[[], None], present: set[bytes]) -> Outcome:
        """Write a plan that nobody has tried to write before.

        Args:
            plan: names the rows.
            rows: the rows of the plan's records, repeats inside the batch already dropped.
            before_send: called right before each insert; raises when the plan is not ours any more.
            present: what ``present`` said of them.

        Raises:
            TemporaryError: the outcome is unknown or the server is away; go on with ``recover``.
        """
        missing, healed = _without(rows, present), False
        with self._link.asking():
            self._insert(plan, missing, before_send)
            if plan.doubtful:
                healed = self._read_back(plan, missing, before_send)
        if healed:
            return Outcome.HEALED
        return Outcome.WRITTEN if missing or not rows else Outcome.REPEATED

    def recover(self, plan: Plan, rows: MetricRows, before_send: Callable[[], None]) -> Outcome:
        """Write a plan that somebody, perhaps this process, may have written.

        Raises:
            TemporaryError: the outcome is unknown again; call again.
            SinkDisagreesError: the rows, or a view of them, cannot be brought to what was written.
        """
        with self._link.asking():
            missing = self._missing(rows)
            self._insert(plan, missing, before_send)
            healed = self._read_back(plan, missing, before_send)
            self._complete_views(plan, rows, before_send)
        return Outcome.HEALED if healed else Outcome.RECOVERED

    def _read_back(self, plan: Plan, sent: MetricRows, before_send: Callable[[], None]) -> bool:
        """Look whether rows that were sent are there, and attach those that the token's part was lost with."""
        lost = self._missing(sent) if sent else sent
        if not lost:
            return False
        self._attach(plan, lost, before_send)
        if still := self._missing(lost):
            raise SinkDisagreesError(
                f"{len(still)} rows of plan {plan.token} are not in {TABLE} after two ways of writing them; "
                "run `crucible doctor`"
            )
        return True

    def _missing(self, rows: MetricRows) -> MetricRows:
        """The rows whose change is not there yet."""
        return _without(rows, self._present([rows]))

    def _present(self, batches: Sequence[MetricRows]) -> set[bytes]:
        lsns = [*chain.from_iterable(rows.lsns for rows in batches)]
        if not lsns:
            return set()
        ranges = log_ranges(lsns)
        condition = " OR ".join(
            f"sourceLsn BETWEEN {{low{at}:UInt64}} AND {{high{at}:UInt64}}" for at in range(len(ranges))
        )
        bounds = {f"low{at}": low for at, (low, _) in enumerate(ranges)}
        bounds |= {f"high{at}": high for at, (_, high) in enumerate(ranges)}
        answer = self._link.client().query(
            self._queries["present_identities"].replace("{ranges}", condition),
            parameters=bounds,
            settings=READ_SETTINGS,
            query_formats={"FixedString": "native"},
        )
        columns = answer.result_columns
        return set(columns[0]) if columns else set()

    def _insert(self, plan: Plan, rows: MetricRows, before_send: Callable[[], None]) -> None:
        """Insert rows under the plan's token, one block a month."""
        for month, part in rows.by_month() if rows else ():
            before_send()
            self._send(TABLE, part, {**INSERT_SETTINGS, "insert_deduplication_token": f"{plan.token}/{month}"})

    def _send(self, table: str, rows: MetricRows, settings: Mapping[str, Any]) -> None:
        self._link.client().raw_insert(table, PACKED_COLUMNS, bytes(rows.packed), dict(settings), fmt="RowBinary")

    def _attach(self, plan: Plan, rows: MetricRows, before_send: Callable[[], None]) -> None:
        """Bring rows into the table without firing its views, which had them from the insert under the token."""
        staging = f"{TABLE}_staging_{blake2b(plan.token.encode(), digest_size=8).hexdigest()}"
        client = self._link.client()
        for name in ("create_staging", "clear_staging"):
            client.command(self._queries[name].replace("{staging}", staging))
        self._send(staging, rows, INSERT_SETTINGS)
        partitions = client.query(self._queries["staged_partitions"], parameters={"staging_name": staging}).result_rows
        for (partition,) in partitions:
            before_send()
            attach = self._queries["attach_staged"].replace("{staging}", staging)
            client.command(attach.replace("{partition}", f"'{partition}'"))
        client.command(self._queries["drop_staging"].replace("{staging}", staging))

    def _complete_views(self, named: Plan, rows: MetricRows, before_send: Callable[[], None]) -> None:
        """Send the plan again where a view lacks exactly its rows: the table drops them, that view takes them."""
        if not rows:
            return
        plan = contribution(rows)
        keys = list(plan)

        def gaps() -> dict[str, Gap]:
            table = partial(self._totals, "totals_raw", keys)
            return {
                view: settled_gap(table, partial(self._totals, view, keys), lambda *_: plan) for view in TOTAL_VIEWS
            }

        complete(gaps, lambda: self._insert(named, rows, before_send), TABLE, named.token)

    def _totals(self, query: str, keys: Sequence[Key]) -> dict[Key, int]:
        answer = self._link.client().query(self._queries[query], parameters={"keys": keys}, settings=READ_SETTINGS)
        return {(kind, entity, metric): total for kind, entity, metric, total in answer.result_rows}

    def ping(self) -> None:
        """Ask for an answer.

        Raises:
            TemporaryError: there is none.
        """
        with self._link.asking():
            self._link.client().command("SELECT 1")

    def close(self) -> None:
        """Give the connection back."""
        self._link.close()


def _without(rows: MetricRows, present: set[bytes]) -> MetricRows:
    return MetricRows(row for row in rows if row[SOURCE_ID] not in present) if present else rows
