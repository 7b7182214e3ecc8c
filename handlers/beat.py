"""beat: a row that the watcher writes itself, every ten seconds, to see whether what is written comes back.

It counts nothing. Its table is published with the others, so that it takes their way: as long as beats come, changes
would; and a number that is left out is a stretch of the log of which nothing came.
"""

from collections.abc import Iterator

import msgspec

from watcher.model.beat import BEAT_TABLE
from watcher.model.bounds import RowId
from watcher.model.change import ChangeEvent, Operation
from watcher.model.effects import BeatCame, Effect
from watcher.model.registry import WATCHER_SCHEMA, Table, on


class BeatRow(msgspec.Struct, frozen=True, gc=False):
    """The columns of ``beat``, which has one row."""

    id: RowId
    number: int
    written: int
    """Milliseconds since 1970, by PostgreSQL's clock."""


@on(Operation.CREATE, Operation.UPDATE, Operation.READ)
def hear_beat(event: ChangeEvent[BeatRow]) -> Iterator[Effect]:
    """A beat came: nothing before it is missing if its number follows on the last one's."""
    if event.after:
        yield BeatCame(event.after.number, event.after.written, read=event.op == Operation.READ)


TABLE = Table(
    name=BEAT_TABLE,
    schema=WATCHER_SCHEMA,
    row=BeatRow,
    handlers=(hear_beat,),
    ignored={
        Operation.DELETE: "the next beat tells",
        Operation.TRUNCATE: "the next beat tells",
        Operation.MESSAGE: "logical messages carry no row",
    },
    sample=BeatRow(id=1, number=4711, written=1_760_000_000_000),
)
