"""crucible_comment: which comment belongs to which crucible's discussion. Drives Crucible.commentCount.

A table of ours, kept by a trigger in the comment's own transaction (``debezium/postgres/threads.sql``): the comment's
row does not say whose discussion it is in, and a handler looks nothing up.
"""

from collections.abc import Iterator

import msgspec

from watcher.model.bounds import Id, RowId
from watcher.model.change import SITE_SCHEMA, ChangeEvent, Operation
from watcher.model.counts import Count, TimeColumn
from watcher.model.effects import Effect, MetricDelta, ReconcileNeeded
from watcher.model.registry import WATCHER_SCHEMA, Table, on


class CrucibleCommentRow(msgspec.Struct, frozen=True, gc=False):
    """The columns of ``crucible_comment``."""

    id: RowId = msgspec.field(name="comment_id")
    """The comment's."""
    crucible_id: Id = msgspec.field()
    user_id: Id = msgspec.field()
    """Who wrote it."""


@on(Operation.CREATE, Operation.UPDATE, Operation.DELETE)
def count_comments(event: ChangeEvent[CrucibleCommentRow]) -> Iterator[Effect]:
    """A comment counts for its crucible, replies too; a deleted one counts back; one that was moved moves."""
    before, after = event.before, event.after
    if before == after:
        return
    if before:
        yield MetricDelta("Crucible", before.crucible_id, before.user_id, "commentCount", -1)
    if after:
        yield MetricDelta("Crucible", after.crucible_id, after.user_id, "commentCount", +1)


@on(Operation.READ, Operation.TRUNCATE)
def compare_comments(event: ChangeEvent[CrucibleCommentRow]) -> Iterator[Effect]:
    """A snapshot or an emptied table cannot tell by how much the counts moved; a comparison can."""
    yield ReconcileNeeded(event.source.table, "truncate" if event.op == Operation.TRUNCATE else "snapshot")


TABLE = Table(
    name="crucible_comment",
    schema=WATCHER_SCHEMA,
    row=CrucibleCommentRow,
    handlers=(count_comments, compare_comments),
    ignored={Operation.MESSAGE: "logical messages carry no row"},
    counts=(Count(entity_type="Crucible", entity="crucible_id", user="user_id", metric_type="commentCount"),),
    made=TimeColumn("createdAt", (SITE_SCHEMA, "CommentV2")),
    sample=CrucibleCommentRow(id=9, crucible_id=42, user_id=7),
)
