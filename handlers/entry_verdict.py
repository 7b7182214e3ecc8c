"""entry_verdict: what becomes of an entry. Drives Crucible.PrizePool, Crucible.EntryAdmitted, Crucible.EntryRejected.

A table of ours. Whoever decides has looked up what was paid and what the image was made with, and has written it down
as a row; it comes back here as a change like any other, and is counted once like any other.
"""

from collections.abc import Iterator

import msgspec

from watcher.model.bounds import Id, RowId
from watcher.model.change import ChangeEvent, Operation
from watcher.model.counts import Count, TimeColumn
from watcher.model.effects import Effect, EntryVerdict, MetricDelta, ReconcileNeeded
from watcher.model.entry_verdict import VerdictState
from watcher.model.registry import WATCHER_SCHEMA, Table, on

COUNTED = {VerdictState.ADMITTED: "EntryAdmitted", VerdictState.REJECTED: "EntryRejected"}
"""Verdicts that are counted, and as what."""


class EntryVerdictRow(msgspec.Struct, frozen=True, gc=False):
    """The columns of ``entry_verdict`` that we need."""

    id: RowId = msgspec.field(name="entry_id")
    """The entry's."""
    crucible_id: Id = msgspec.field()
    user_id: Id = msgspec.field()
    """The entrant."""
    image_id: Id = msgspec.field()
    verdict: VerdictState = msgspec.field()
    enforced: bool = msgspec.field()
    """Whether who is not admitted is kept out."""
    fee: int = msgspec.field()
    """Buzz that the entry adds to its crucible's pool."""


@on(Operation.CREATE, Operation.UPDATE, Operation.DELETE)
def count_verdicts(event: ChangeEvent[EntryVerdictRow]) -> Iterator[Effect]:
    """An entry let in or kept out counts for its crucible, and its fee is part of the pool while it is in."""
    before, after = event.before, event.after
    same = before and after and (before.crucible_id, before.user_id) == (after.crucible_id, after.user_id)
    if same and before and after:
        if after.verdict != before.verdict:
            yield from _counted(before, -1)
            yield from _counted(after, +1)
        if after.fee != before.fee:
            yield MetricDelta("Crucible", after.crucible_id, after.user_id, "PrizePool", after.fee - before.fee)
        return
    for row, sign in ((before, -1), (after, +1)):
        if row:
            yield from _counted(row, sign)
            if row.fee:
                yield MetricDelta("Crucible", row.crucible_id, row.user_id, "PrizePool", sign * row.fee)


@on(Operation.CREATE, Operation.UPDATE, Operation.DELETE, Operation.READ)
def show_verdict(event: ChangeEvent[EntryVerdictRow]) -> Iterator[Effect]:
    """An entry is judged once it is let in, and no more from when it is not."""
    before, after = event.before, event.after
    if before and (after is None or after.crucible_id != before.crucible_id):
        yield EntryVerdict(before.crucible_id, before.id, before.image_id, takes_part=False)
    if after:
        takes_part = after.verdict is VerdictState.ADMITTED or not after.enforced
        yield EntryVerdict(after.crucible_id, after.id, after.image_id, takes_part)


@on(Operation.READ, Operation.TRUNCATE)
def compare_verdicts(event: ChangeEvent[EntryVerdictRow]) -> Iterator[Effect]:
    """A snapshot or an emptied table cannot tell by how much the counts moved; a comparison can."""
    yield ReconcileNeeded(event.source.table, "truncate" if event.op == Operation.TRUNCATE else "snapshot")


def _counted(row: EntryVerdictRow, sign: int) -> Iterator[Effect]:
    if row.verdict in COUNTED:
        yield MetricDelta("Crucible", row.crucible_id, row.user_id, COUNTED[row.verdict], sign)


TABLE = Table(
    name="entry_verdict",
    schema=WATCHER_SCHEMA,
    row=EntryVerdictRow,
    handlers=(count_verdicts, show_verdict, compare_verdicts),
    ignored={Operation.MESSAGE: "logical messages carry no row"},
    counts=(
        *(
            Count(
                entity_type="Crucible",
                entity="crucible_id",
                user="user_id",
                metric_type=metric_type,
                where=("verdict", verdict.value),
            )
            for verdict, metric_type in COUNTED.items()
        ),
        Count(entity_type="Crucible", entity="crucible_id", user="user_id", metric_type="PrizePool", value="fee"),
    ),
    made=TimeColumn("entered_at"),
    changed=TimeColumn("decided_at"),
    sample=EntryVerdictRow(
        id=1001, crucible_id=42, user_id=7, image_id=555, verdict=VerdictState.ADMITTED, enforced=True, fee=100
    ),
)
