"""Errors as a ClickHouse server words them: ``Code: N. DB::Exception: text. (NAME)``."""

from __future__ import annotations

import re

_CODE = re.compile(r"Code: (\d+)\. ")
_TRAILING_VERSION = re.compile(r"\s*\(version [^()]*\)\s*$")

# The codes this door raises itself; all others come from the engine.
NOT_IMPLEMENTED = (48, "NOT_IMPLEMENTED")
SYNTAX_ERROR = (62, "SYNTAX_ERROR")
READONLY = (164, "READONLY")
SESSION_NOT_FOUND = (372, "SESSION_NOT_FOUND")
SESSION_IS_LOCKED = (373, "SESSION_IS_LOCKED")
CANNOT_DECOMPRESS = (271, "CANNOT_DECOMPRESS")
BAD_REQUEST_PARAMETER = (36, "BAD_ARGUMENTS")
AUTHENTICATION_FAILED = (516, "AUTHENTICATION_FAILED")
UNKNOWN = 1002

# HTTP status by exception code, where it is not 500: bad input, missing objects, no permission.
_BAD_REQUEST = {6, 16, 20, 26, 27, 33, 36, 41, 42, 43, 44, 46, 47, 50, 53, 62, 69, 72, 73, 115, 117, 456, 457}
_NOT_FOUND = {60, 81, 372}
_FORBIDDEN = {164, 497, 516}


class StatementError(Exception):
    """A statement that failed, with the code and the text that the client is to see."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @classmethod
    def of(cls, kind: tuple[int, str], message: str) -> StatementError:
        """Return a fault of the door's own, worded like the engine's."""
        code, name = kind
        return cls(code, f"Code: {code}. DB::Exception: {message}. ({name})")

    @classmethod
    def from_engine(cls, error: BaseException) -> StatementError:
        """Return the engine's error without what chDB puts around it."""
        text = str(error)
        found = _CODE.search(text)
        if found is None:
            return cls(UNKNOWN, f"Code: {UNKNOWN}. DB::Exception: {text}. (UNKNOWN_EXCEPTION)")
        return cls(int(found[1]), _TRAILING_VERSION.sub("", text[found.start() :]))

    @property
    def status(self) -> int:
        """Return the HTTP status that goes with the code."""
        if self.code in _BAD_REQUEST:
            return 400
        if self.code in _NOT_FOUND:
            return 404
        if self.code in _FORBIDDEN:
            return 403
        return 501 if self.code == NOT_IMPLEMENTED[0] else 500
