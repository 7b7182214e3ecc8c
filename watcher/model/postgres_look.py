"""What a look at PostgreSQL found, for whoever follows the stream."""

from collections.abc import Mapping

import msgspec

from watcher.model.beat import Beat
from watcher.model.effects import ReconcileNeeded
from watcher.model.extent import Extent
from watcher.model.table_pause import TablePause


class PostgresLook(msgspec.Struct, frozen=True):
    """What one look at PostgreSQL found."""

    needs: Mapping[ReconcileNeeded, Extent]
    """Every need of a comparison."""
    beat: Beat | None = None
    """The last that was written, by whichever watcher; without its place in the log."""
    unpublished: tuple[str, ...] = ()
    """Watched tables of which no change is published, though beats are."""
    republished: tuple[str, ...] = ()
    """Those that were published as something else at the look before, maybe of another process."""
    end_of_log: int = 0
    paused: Mapping[str, TablePause] = {}
    """Tables whose changes are to wait, because a person has said so."""
