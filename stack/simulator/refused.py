"""A refusal, as a double's routes raise it."""

from __future__ import annotations


class RefusedRequest(Exception):  # noqa: N818 - a refusal is an answer, not a failure
    """Raised when nothing was done, with the HTTP status that says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
