"""CrucibleEntry: an image entered into a crucible. Drives Crucible.Entry, User.crucibleEntryCount, the entry's state.

Settlement and score synchronisation write ``score``, ``voteCount`` and ``position`` to this table. Those columns are
not part of the row type, so such an update shows no difference here and cannot echo into metrics.
"""

from collections.abc import Iterator

import msgspec

from watcher.model.bounds import Id, RowId
from watcher.model.change import ChangeEvent, Operation
from watcher.model.counts import Count, TimeColumn
from watcher.model.effects import Effect, EntryGone, EntryState, MetricDelta, ReconcileNeeded
from watcher.model.moments import Moment, moment_ms
from watcher.model.registry import Table, on


class CrucibleEntryRow(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The columns of ``"CrucibleEntry"`` that we need; ``timestamp(3)`` arrives as milliseconds since 1970."""

    id: RowId
    crucible_id: Id
    user_id: Id
    image_id: Id
    created_at: Moment


@on(Operation.CREATE, Operation.UPDATE, Operation.DELETE)
def count_entries(event: ChangeEvent[CrucibleEntryRow]) -> Iterator[Effect]:
    """An entry counts for its crucible and its entrant; a deleted one counts back; a moved one moves both."""
    before, after = event.before, event.after
    if before and after and before.crucible_id == after.crucible_id and before.user_id == after.user_id:
        return
    if before:
        yield MetricDelta("Crucible", before.crucible_id, before.user_id, "Entry", -1)
        yield MetricDelta("User", before.user_id, before.user_id, "crucibleEntryCount", -1)
    if after:
        yield MetricDelta("Crucible", after.crucible_id, after.user_id, "Entry", +1)
        yield MetricDelta("User", after.user_id, after.user_id, "crucibleEntryCount", +1)


@on(Operation.CREATE, Operation.UPDATE, Operation.DELETE, Operation.READ)
def show_entry(event: ChangeEvent[CrucibleEntryRow]) -> Iterator[Effect]:
    """An entry stands in its crucible from its first row until it is deleted or moved; its rating is the votes'."""
    before, after = event.before, event.after
    if before == after:
        return
    if before and (after is None or after.crucible_id != before.crucible_id):
        yield EntryGone(before.crucible_id, before.id)
    if after:
        yield EntryState(after.crucible_id, after.id, after.user_id, after.image_id, moment_ms(after.created_at))


@on(Operation.READ)
def snapshot_entries(event: ChangeEvent[CrucibleEntryRow]) -> Iterator[Effect]:
    """An entry that a snapshot read may have been counted or not; only a comparison can tell."""
    yield ReconcileNeeded(event.source.table, "snapshot")


@on(Operation.TRUNCATE)
def truncate_entries(event: ChangeEvent[CrucibleEntryRow]) -> Iterator[Effect]:
    """An emptied table names no rows; only a comparison tells by how much the counts moved."""
    yield ReconcileNeeded(event.source.table, "truncate")


TABLE = Table(
    name="CrucibleEntry",
    row=CrucibleEntryRow,
    handlers=(count_entries, show_entry, snapshot_entries, truncate_entries),
    ignored={Operation.MESSAGE: "logical messages carry no row"},
    counts=(
        Count(entity_type="Crucible", entity="crucible_id", user="user_id", metric_type="Entry"),
        Count(entity_type="User", entity="user_id", user="user_id", metric_type="crucibleEntryCount"),
    ),
    made=TimeColumn("createdAt"),
    sample=CrucibleEntryRow(id=1001, crucible_id=42, user_id=7, image_id=555, created_at=1_760_000_000_000),
)
