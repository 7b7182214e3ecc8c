"""How far the stream has been, and whether PostgreSQL's log still reaches there."""

import msgspec

from watcher.model.beat import Beat


class Farthest(msgspec.Struct, frozen=True):
    """The farthest place of PostgreSQL's log that anything came from."""

    lsn: int = 0
    at: int = 0
    """Commit time of the change there, in milliseconds since 1970."""
    beat: Beat | None = None
    """The last beat that came, to whichever process."""

    def above(self, end_of_log: int, last_number: int, since: int) -> int | None:
        """Return the farthest position that was seen if the log ends below it now, so that it was set back; else None.

        A log that has grown again beyond the place where it was tells by its beats: there are fewer than came.

        Args:
            end_of_log: where it ends now.
            last_number: of the last beat that PostgreSQL knows of.
            since: when its history began, in milliseconds since 1970; what was committed before says nothing of it.

        >>> farthest = Farthest(4096, 2_000, Beat(7, 1_990, 4000))
        >>> farthest.above(5000, 7, 1_000), farthest.above(4095, 7, 1_000), farthest.above(5000, 6, 1_000)
        (None, 4096, 4096)
        >>> farthest.above(4095, 6, 3_000)
        """
        lsn = self.lsn if self.at >= since else 0
        beat = self.beat if self.beat is not None and self.beat.written >= since else None
        reached = max(lsn, beat.lsn if beat else 0)
        fewer = beat is not None and last_number < beat.number
        return reached if end_of_log < reached or fewer else None
