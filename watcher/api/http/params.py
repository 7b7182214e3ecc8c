"""Parameters of routes, in paths and queries: what each may be is said once, for the guard and the OpenAPI document."""

import re

import msgspec

from watcher.api.http.problem import ProblemError

MAX_DIGITS = 10
"""Digits of a whole number: those of the largest 32-bit one."""


class Param(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of a route: a whole number within bounds, or a text of bounded length."""

    name: str
    what: str
    """A sentence for the OpenAPI document."""
    kind: type = int
    least: int = 0
    most: int
    """Largest number, or characters of the longest text."""
    default: int | str | None = None
    pattern: str | None = None
    """What a text has to match as a whole; every text that does is taken."""
    in_path: bool = False

    def read(self, text: str) -> int | str:
        """Return the value that a text of the address stands for.

        Raises:
            ProblemError: ``bad_request``; it stands for none that is allowed.
        """
        if self.kind is str:
            if len(text) > self.most or (self.pattern is not None and not re.fullmatch(self.pattern, text, re.ASCII)):
                raise ProblemError("bad_request", f"{self.name}: expected {self.what}")
            return text
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS and self.least <= int(text) <= self.most):
            raise ProblemError("bad_request", f"{self.name}: expected a whole number from {self.least} to {self.most}")
        return int(text)
