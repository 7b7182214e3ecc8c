"""Who is told how far a rebuild is."""

from typing import Protocol


class ProgressListener(Protocol):
    """Is called whenever a step of a rebuild came further."""

    def __call__(self, step: str, done: int, total: int | None) -> None:
        """Take note that ``done`` of ``total`` are done of this step; None where nobody knows how many there are."""
        ...


def in_silence(step: str, done: int, total: int | None) -> None:
    """Take note of a step's progress and show it to nobody."""
