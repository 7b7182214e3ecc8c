"""Crucible: the contest itself. Drives User.crucibleCount and the crucible's state in Redis."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from watcher.model.bounds import Id, RowId
from watcher.model.change import ChangeEvent, Operation
from watcher.model.counts import Count, TimeColumn
from watcher.model.effects import CrucibleGone, CrucibleState, Effect, MetricDelta, ReconcileNeeded
from watcher.model.moments import Moment, end_ms, start_ms
from watcher.model.prizes import paid_places
from watcher.model.registry import Table, on

Status = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


class CrucibleRow(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The columns of ``"Crucible"`` that we need; ``timestamp(3)`` arrives as milliseconds since 1970.

    None of them has a default: a column that was renamed or left out would pass for NULL, and a crucible without an end
    never ends.
    """

    id: RowId
    user_id: Id
    name: str
    status: Status
    nsfw_level: int
    start_at: Moment | None
    end_at: Moment | None
    judge_requirements: str | None
    prize_positions: str | None


@on(Operation.CREATE, Operation.UPDATE, Operation.DELETE)
def count_crucibles(event: ChangeEvent[CrucibleRow]) -> Iterator[Effect]:
    """A crucible opened counts for its creator; one deleted counts back; one handed over moves."""
    before, after = event.before, event.after
    if before and after and before.user_id == after.user_id:
        return
    if before:
        yield MetricDelta("User", before.user_id, before.user_id, "crucibleCount", -1)
    if after:
        yield MetricDelta("User", after.user_id, after.user_id, "crucibleCount", +1)


@on(Operation.CREATE, Operation.UPDATE, Operation.DELETE, Operation.READ)
def show_crucible(event: ChangeEvent[CrucibleRow]) -> Iterator[Effect]:
    """Judges see the crucible as its row is now; a deleted one is gone."""
    row = event.after
    if row is None:
        yield CrucibleGone(event.row.id)
        return
    yield CrucibleState(
        crucible_id=row.id,
        user_id=row.user_id,
        name=row.name,
        status=row.status,
        nsfw_level=row.nsfw_level,
        start_at=start_ms(row.start_at),
        end_at=end_ms(row.end_at),
        judge_requirements=row.judge_requirements,
        places=paid_places(row.prize_positions),
    )


@on(Operation.READ)
def snapshot_crucibles(event: ChangeEvent[CrucibleRow]) -> Iterator[Effect]:
    """A crucible that a snapshot read may have been counted or not; only a comparison can tell."""
    yield ReconcileNeeded(event.source.table, "snapshot")


@on(Operation.TRUNCATE)
def truncate_crucibles(event: ChangeEvent[CrucibleRow]) -> Iterator[Effect]:
    """An emptied table names no rows; only a comparison tells by how much the counts moved."""
    yield ReconcileNeeded(event.source.table, "truncate")


TABLE = Table(
    name="Crucible",
    row=CrucibleRow,
    handlers=(count_crucibles, show_crucible, snapshot_crucibles, truncate_crucibles),
    ignored={Operation.MESSAGE: "logical messages carry no row"},
    counts=(Count(entity_type="User", entity="user_id", user="user_id", metric_type="crucibleCount"),),
    made=TimeColumn("createdAt"),
    changed=TimeColumn("updatedAt"),
    sample=CrucibleRow(
        id=42,
        user_id=7,
        name="Autumn light",
        status="Active",
        nsfw_level=1,
        start_at=1_760_000_000_000,
        end_at=1_760_028_800_000,
        judge_requirements=None,
        prize_positions='{"1":50,"2":30,"3":20}',
    ),
)
