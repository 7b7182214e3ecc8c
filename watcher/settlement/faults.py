"""Why a step of an ending is not written: somebody has to look, somebody else was faster, or something moved."""

from collections.abc import Mapping
from typing import Any

from watcher.model.errors import TemporaryError, WatcherError


class ParkedError(WatcherError):
    """Raised when an ending cannot go on by itself, and nothing of the step is to be written.

    Args:
        reason: for people: what is wrong, and what to do about it.
        details: for the log of steps.
    """

    def __init__(self, reason: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.details = details or {}


class OvertakenError(WatcherError):
    """Raised when another process was faster: what this one was about to write, that one has written."""


class EntriesMovedError(TemporaryError):
    """Raised when entries went while they were ranked: nothing was written, and the next attempt finds them gone."""
