"""Rows of plans in a ClickHouse table, each once, whoever sends them and however often.

Two independent means see to it: what is there already is not sent again, and each insert carries the plan's token, so
that a request which lands late is one that ClickHouse has seen. An answer is no proof: ClickHouse may remember a token
whose part it lost, and a view may lack a part that its table has. So rows are looked for after they were sent, lost
ones are brought in past the views, and views that lack exactly the plan's rows get them by the same token.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, Generic, Protocol

import structlog

from watcher.clickhouse.link import INSERT_SETTINGS, READ_SETTINGS, ClickHouseLink
from watcher.clickhouse.planned_table import IdentityT, PlannedTable, RowsT
from watcher.clickhouse.staging import Staging
from watcher.model.errors import SinkDisagreesError
from watcher.model.plan_outcome import PlanOutcome
from watcher.model.view_gaps import Gap, gap
from watcher.model.words import counted

log = structlog.get_logger(__name__)

SETTLE_SECONDS: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Waits between looks for what an insert has not shown. Somebody else's insert of the same plan holds the token for an
instant before its rows show, and anybody's insert shows in the table a moment before it shows in the views. Fewer or
shorter: that instant looks like a loss, and rows come twice or the daemon stops."""


class ViewsDisagreeError(SinkDisagreesError):
    """Raised when a view shows something else than its table, and sending the plan again did not help."""


class NamedPlan(Protocol):
    """What an insert needs to know of a plan."""

    @property
    def token(self) -> str:
        """Return the stem of the deduplication tokens of the plan's blocks; the same plan has the same."""
        ...

    @property
    def doubtful(self) -> bool:
        """Return whether ClickHouse may know the token without having the rows, though we have not sent them before."""
        ...


def _nothing() -> None:
    """Do nothing: stands in where nobody is to be called."""


class PlannedInsert(Generic[RowsT, IdentityT]):
    """Writes plans to one table; for one thread at a time.

    Args:
        table: describes the table.
        link: connection; may be shared by tables of one thread.
        queries: the named queries of ``clickhouse_sql``.
    """

    def __init__(self, table: PlannedTable[RowsT, IdentityT], link: ClickHouseLink, queries: Mapping[str, str]) -> None:
        self._table, self._link, self._queries = table, link, queries
        self._staging = Staging(table, queries)

    def present(self, batches: Sequence[RowsT]) -> set[IdentityT]:
        """Return identities of the batches' rows that are there already, and of others near them: one question.

        Raises:
            TemporaryError: the server is away.
        """
        with self._link.asking():
            return self._present(batches)

    def missing(self, rows: RowsT, present: AbstractSet[IdentityT]) -> RowsT:
        """Return the rows that are not among what ``present`` returned."""
        return self._table.without(rows, present)

    def write(
        self,
        plan: NamedPlan,
        rows: RowsT,
        before_send: Callable[[], None] = _nothing,
        present: AbstractSet[IdentityT] | None = None,
        after_send: Callable[[], None] = _nothing,
    ) -> PlanOutcome:
        """Write a plan that nobody has tried to write before.

        Args:
            plan: names the rows.
            rows: the rows, each once.
            before_send: called right before each request that adds rows; raises when the plan is not ours any more.
            present: what ``present`` returned of them; None: ask.
            after_send: called when the rows were sent, and not looked for yet.

        Returns:
            ``WRITTEN``, ``REPEATED`` or ``HEALED``.

        Raises:
            TemporaryError: the outcome is unknown or the server is away; go on with ``recover``.
            SinkDisagreesError: as by ``recover``.
        """
        with self._link.asking():
            missing = self._missing(rows, present)
            self._insert(plan, missing, before_send)
            after_send()
            if plan.doubtful and self._restore(plan, missing, before_send):
                self._complete_views(plan, missing, before_send)
                return PlanOutcome.HEALED
        return PlanOutcome.WRITTEN if len(missing) or not len(rows) else PlanOutcome.REPEATED

    def recover(
        self,
        plan: NamedPlan,
        rows: RowsT,
        before_send: Callable[[], None] = _nothing,
        present: AbstractSet[IdentityT] | None = None,
        after_send: Callable[[], None] = _nothing,
    ) -> PlanOutcome:
        """Write a plan that somebody, perhaps this process, may have written.

        Args:
            plan: as for ``write``, and so are the others.
            rows: the rows, each once.
            before_send: called right before each request that adds rows.
            present: what ``present`` returned of them; None: ask.
            after_send: called when the rows were sent, and not looked for yet.

        Returns:
            ``RECOVERED`` or ``HEALED``.

        Raises:
            TemporaryError: the outcome is unknown again; call again.
            SinkDisagreesError: the rows are not there, though they were written in two ways.
            ViewsDisagreeError: they are, but a view of them cannot be brought to what was written.
        """
        with self._link.asking():
            missing = self._missing(rows, present)
            self._insert(plan, missing, before_send)
            after_send()
            healed = self._restore(plan, missing, before_send)
            self._complete_views(plan, missing if len(missing) else rows, before_send)
        return PlanOutcome.HEALED if healed else PlanOutcome.RECOVERED

    def close(self) -> None:
        """Close the connection to the neighbour."""
        self._link.close()

    def _present(self, batches: Sequence[RowsT]) -> set[IdentityT]:
        if not any(len(rows) for rows in batches):
            return set()
        question = self._table.question(batches)
        answer = self._link.client().query(
            self._queries[question.query].replace("{ranges}", question.ranges),
            parameters=question.parameters,
            settings=READ_SETTINGS,
            query_formats={"FixedString": "native"},
        )
        return self._table.identities(answer.result_columns)

    def _missing(self, rows: RowsT, present: AbstractSet[IdentityT] | None = None) -> RowsT:
        return self._table.without(rows, self._present([rows]) if present is None else present)

    def _insert(self, plan: NamedPlan, rows: RowsT, before_send: Callable[[], None]) -> None:
        """Insert rows under the plan's token, one block a partition."""
        for token, block in self._table.blocks(plan.token, rows) if len(rows) else ():
            before_send()
            settings = {**INSERT_SETTINGS, "insert_deduplication_token": token}
            self._table.send(self._link.client(), self._table.name, block, settings)

    def _restore(self, plan: NamedPlan, sent: RowsT, before_send: Callable[[], None]) -> bool:
        """Look whether rows that were sent are there, and bring in those that the token's part was lost with."""
        lost = self._lost(sent)
        if not len(lost):
            return False
        log.warning("plan.rows_lost", table=self._table.name, rows=len(lost), token=plan.token)
        self._staging.bring(self._link.client(), plan.token, lost, before_send)
        if still := len(self._missing(lost)):
            raise SinkDisagreesError(
                f"{self._table.name} lacks {counted(still, 'row')} of plan {plan.token} after two ways of writing "
                "them; run `crucible doctor`"
            )
        return True

    def _lost(self, sent: RowsT) -> RowsT:
        """Return the rows that the table does not show, though it took their token."""
        missing = self._missing(sent)
        for seconds in SETTLE_SECONDS:
            if not len(missing):
                break
            time.sleep(seconds)
            missing = self._missing(missing)
        return missing

    def _complete_views(self, plan: NamedPlan, rows: RowsT, before_send: Callable[[], None]) -> None:
        """Send a plan again where a view lacks exactly its rows: the table drops them, that view takes them."""
        if not len(rows):
            return
        adds = self._table.contribution(rows)
        found = self._gaps(adds)
        if Gap.PLAN in found.values():
            self._insert(plan, rows, before_send)
            found = self._gaps(adds)
        wrong = [view for view, one in found.items() if one is not Gap.NONE]
        if wrong:
            raise ViewsDisagreeError(
                f"{', '.join(wrong)} and {self._table.name} disagree for keys of plan {plan.token}; "
                "stop the watchers, DROP the table of that view, and run `crucible migrate up --missing`, which "
                "fills it anew"
            )

    def _gaps(self, adds: Mapping[Any, int]) -> dict[str, Gap]:
        return {view: self._gap(view, table, adds) for view, table in self._table.views.items()}

    def _gap(self, view: str, table: str, adds: Mapping[Any, int]) -> Gap:
        """Return how a view relates to its table for the keys of a plan, once nobody's insert is between the two."""
        keys, found = list(adds), Gap.OTHER
        for seconds in (0.0, *SETTLE_SECONDS):
            time.sleep(seconds)
            before, shown, after = self._totals(table, keys), self._totals(view, keys), self._totals(table, keys)
            known = adds
            if self._table.views_outlive_rows:
                # A view that has more remembers rows that are past the table's TTL: nothing to compare with.
                known = {key: one for key, one in adds.items() if after.get(key, 0) >= shown.get(key, 0)}
            found = gap(after, shown, known)
            if found is Gap.NONE or (found is Gap.PLAN and before == after):
                break
        return found

    def _totals(self, query: str, keys: Sequence[Any]) -> dict[Any, int]:
        answer = self._link.client().query(self._queries[query], parameters={"keys": keys}, settings=READ_SETTINGS)
        return {key[0] if len(key) == 1 else tuple(key): total for *key, total in answer.result_rows}
