"""Where a comparison by the command stands, in a file that its user names: a run that was killed goes on there."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from watcher.reconcile.command.report import TableReport
from watcher.reconcile.difference_reports import DifferenceReport
from watcher.reconcile.views import ViewReport


class TableProgress(msgspec.Struct, frozen=True):
    """How far a table was compared, and what was found until then."""

    following: int = 0
    """Number of the range that is compared next."""
    report: TableReport | None = None
    done: bool = False
    left: dict[int, str] = {}
    """Key -> kind of difference of rows that may still be wrong."""


class CruciblesProgress(msgspec.Struct, frozen=True):
    """How far votes, or what Redis shows, were compared crucible by crucible, and what was found until then."""

    following: int | None = None
    """The lowest id that is compared next; None: the first one."""
    found: tuple[DifferenceReport, ...] = ()

    def is_left(self, crucible_id: int) -> bool:
        """Return whether a crucible is still to be compared."""
        return self.following is None or crucible_id >= self.following


class _Run(msgspec.Struct):
    """A run, as it is written down."""

    options: dict[str, str]
    began: datetime
    tables: dict[str, TableProgress]
    crucibles: dict[str, CruciblesProgress] = {}
    views: dict[str, ViewReport | None] = {}


class Resumption:
    """Remembers how far a run is.

    Args:
        file: where; None: nowhere.
        options: what decides what the run compares; a file of a run that differs in any of them is begun anew.
        began: now, by PostgreSQL's clock, to which needs of a comparison are noted; None: by ours.

    Raises:
        OSError: the file cannot be read or written.
    """

    def __init__(self, file: Path | None, options: Mapping[str, str], began: datetime | None = None) -> None:
        self._file = file
        self._run = _Run(dict(options), began or datetime.now(UTC), {})
        self.goes_on = False
        """Whether it goes on where another run was."""
        if file is None:
            return
        if file.exists():
            try:
                earlier = msgspec.json.decode(file.read_bytes(), type=_Run)
            except msgspec.DecodeError:
                raise FileExistsError(f"{file} is there, and not of `crucible reconcile --resume`") from None
            if earlier.options == self._run.options:
                self._run, self.goes_on = earlier, True
        self._write()

    @property
    def began(self) -> datetime:
        """Return when the run began, the killed one if it goes on there; with time zone."""
        return self._run.began

    def place(self, table: str) -> TableProgress:
        """Return how far a table is compared."""
        return self._run.tables.get(table, TableProgress())

    def note(self, table: str, place: TableProgress) -> None:
        """Remember how far a table is compared."""
        if self._file is not None:
            self._run.tables[table] = place
            self._write()

    def crucibles(self, what: str) -> CruciblesProgress:
        """Return how far something is that is compared crucible by crucible."""
        return self._run.crucibles.get(what, CruciblesProgress())

    def note_crucibles(self, what: str, progress: CruciblesProgress) -> None:
        """Remember how far something is that is compared crucible by crucible."""
        self._run.crucibles[what] = progress
        self._write()

    def views(self) -> Mapping[str, ViewReport | None]:
        """Return what was found of each view that is compared, by name; None: nothing."""
        return self._run.views

    def note_view(self, name: str, found: ViewReport | None) -> None:
        """Remember that a view is compared."""
        self._run.views[name] = found
        self._write()

    def end(self) -> None:
        """Forget the run: it is over."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        """Write the run into its file, as a whole; if that fails the file stays as it was."""
        if self._file is not None:
            fresh = self._file.with_name(f"{self._file.name}.{os.getpid()}.new")
            # Two runs with one file each write their own: it is always one run's, as a whole.
            fresh.write_bytes(msgspec.json.encode(self._run))
            fresh.replace(self._file)
