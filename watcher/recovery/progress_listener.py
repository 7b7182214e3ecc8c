"""The function that is told how far a rebuild is."""

from typing import Protocol


class ProgressListener(Protocol):
    """A function that is called whenever a step of a rebuild has got further."""

    def __call__(self, step: str, done: int, total: int | None) -> None:
        """Hear that ``done`` of ``total`` are done of a step; None where it is not known how many there are."""
        ...


def in_silence(step: str, done: int, total: int | None) -> None:
    """Do nothing with a step's progress."""
