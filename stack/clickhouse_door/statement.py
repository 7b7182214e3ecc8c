"""What a statement is, read from its first words: its kind, its answer's format, where an INSERT's data begins.

Works on bytes, because what follows ``FORMAT Native`` is not text, and stops at the first byte of data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stack.clickhouse_door.errors import NOT_IMPLEMENTED, SYNTAX_ERROR, StatementError

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_OUTPUT_FORMAT = "TabSeparated"

_TOKEN = re.compile(
    rb"""(?P<space>\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)
       | (?P<quoted>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)
       | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
       | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)
_READS = {"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "CHECK", "USE", "SET"}
_ACCESS_OBJECTS = {"USER", "ROLE", "QUOTA", "PROFILE", "POLICY"}


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT that brings its rows along."""

    head: str  #: the statement up to its FORMAT or VALUES
    format: str  #: the input format of the data
    data_at: int  #: offset of the first byte of data in the text that was given


@dataclass(frozen=True, slots=True)
class OtherStatement:
    """Any other statement, INSERT ... SELECT among them."""

    text: str
    output_format: str  #: the format that the engine will answer in
    reads: bool  #: changes nothing, so it may come by GET


def read_statement(given: bytes, default_format: str | None) -> Insert | OtherStatement:
    """Tell what ``given`` is.

    Raises:
        StatementError: more than one statement, a statement about users and grants, bytes that are not UTF-8.

    """
    first = _first_word(given)
    if first == "INSERT":
        insert = _read_insert(given, default_format)
        if insert is not None:
            return insert
    return _read_other(given, first, default_format)


def _tokens(given: bytes) -> Iterator[tuple[str, bytes, int, int]]:
    """Kind, bytes, end offset and depth of parentheses of every token that is not space."""
    depth = 0
    for found in _TOKEN.finditer(given):
        kind = str(found.lastgroup)
        if kind == "space":
            continue
        token = found[0]
        if token in (b")", b"]", b"}"):
            depth -= 1
        yield kind, token, found.end(), depth
        if token in (b"(", b"[", b"{"):
            depth += 1


def _first_word(given: bytes) -> str:
    for kind, token, _, _ in _tokens(given):
        if kind == "word":
            return token.decode().upper()
        if token != b"(":
            break
    return ""


def _read_insert(given: bytes, default_format: str | None) -> Insert | None:
    """Return the head of an INSERT with data, or None when its rows come from a SELECT."""
    start = 0
    after_format = False
    for kind, token, end, depth in _tokens(given):
        if after_format:
            return Insert(_text(given[:start]), token.decode(), _skip_one_line_break(given, end))
        if kind != "word":
            continue
        word = token.upper()
        # A SELECT may be in parentheses of its own, so its depth does not matter.
        if word in (b"SELECT", b"WITH"):
            return None
        if depth:
            continue
        if word == b"VALUES":
            return Insert(_text(given[: end - len(token)]), "Values", end)
        if word == b"INFILE":
            raise StatementError.of(
                NOT_IMPLEMENTED, "INSERT FROM INFILE is not supported over HTTP; send the rows in the body"
            )
        if word == b"FORMAT":
            after_format, start = True, end - len(token)
    return Insert(_text(given).rstrip().rstrip(";"), default_format or "Values", len(given))


def _skip_one_line_break(given: bytes, at: int) -> int:
    """The data begins after the spaces and the one line break that follow the format's name."""
    while given[at : at + 1] in (b" ", b"\t", b"\r"):
        at += 1
    return at + 1 if given[at : at + 1] == b"\n" else at


def _read_other(given: bytes, first: str, default_format: str | None) -> OtherStatement:
    tail: list[str] = []  # the tokens from the last FORMAT on
    words: list[str] = []
    ended = False
    for kind, token, _, depth in _tokens(given):
        if ended and token != b";":
            raise StatementError.of(SYNTAX_ERROR, "Multi-statements are not allowed: send one statement a request")
        if token == b";" and depth == 0:
            ended = True
            continue
        text = token.decode(errors="replace")
        if kind == "word" and depth == 0 and text.upper() == "FORMAT":
            tail = []
        tail.append(text)
        if kind == "word":
            words.append(text.upper())
    _refuse_access_control(words)
    return OtherStatement(_text(given), _format_of(tail) or default_format or DEFAULT_OUTPUT_FORMAT, first in _READS)


def _format_of(tail: list[str]) -> str | None:
    """Return the format's name, if the last FORMAT is the clause that ends a statement, not a column's name, say."""
    if len(tail) < 2 or tail[0].upper() != "FORMAT":
        return None
    return tail[1] if len(tail) == 2 or tail[2].upper() == "SETTINGS" else None


def _refuse_access_control(words: list[str]) -> None:
    opening = words[:4]
    if opening[:1] in (["GRANT"], ["REVOKE"]) or (
        opening[:1] in (["CREATE"], ["ALTER"], ["DROP"]) and _ACCESS_OBJECTS.intersection(opening[1:3])
    ):
        raise StatementError.of(
            NOT_IMPLEMENTED,
            f"{' '.join(opening[:2])}: this door has the one user that it was started with (--user, --password)",
        )


def _text(given: bytes) -> str:
    try:
        return given.decode()
    except UnicodeDecodeError as error:
        raise StatementError.of(SYNTAX_ERROR, f"The statement is not UTF-8 at byte {error.start}") from None
