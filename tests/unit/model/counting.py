"""Matches by a regular expression in Python, counting the characters that are looked at: work, and not time.

It goes through the tree that Python's own parser makes of an expression, as the engine in C does, by the same order of
choices. Of what expressions can do it knows what those of this project use.
"""

from __future__ import annotations

import re
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SPACE = " \t\n\r\f\v"


class Counting:
    """An expression whose work is counted.

    Args:
        pattern: compiled, with ``re.ASCII`` if it has flags of characters.
    """

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._tree = list(parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))
        self._ignore = bool(pattern.flags & re.IGNORECASE)
        self.looks = 0
        """Characters that were looked at so far."""
        self._groups: dict[int, tuple[int, int]] = {}

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return where the expression matches, from left to right, none of them over another."""
        found, at = [], 0
        while at <= len(text):
            self._groups = {}
            end = next(self._seq(self._tree, 0, text, at), None)
            if end is None or end == at:
                at += 1
            else:
                found.append((at, end))
                at = end
        return found

    def _seq(self, nodes: Sequence[Any], index: int, text: str, at: int) -> Iterator[int]:
        """Yield where the rest of a sequence may end, in the order of the engine's choices."""
        if index == len(nodes):
            yield at
            return
        for end in self._node(nodes[index], text, at):
            yield from self._seq(nodes, index + 1, text, end)

    def _node(self, node: Any, text: str, at: int) -> Iterator[int]:  # noqa: C901, PLR0912 - a case for each kind
        code, given = node
        match code:
            case op.BRANCH:
                for way in given[1]:
                    yield from self._seq(list(way), 0, text, at)
            case op.SUBPATTERN:
                group, _, _, inner = given
                for end in self._seq(list(inner), 0, text, at):
                    if group is not None:
                        self._groups[group] = at, end
                    yield end
            case op.ASSERT | op.ASSERT_NOT:
                holds = next(self._seq(list(given[1]), 0, text, at), None) is not None
                if holds is (code is op.ASSERT):
                    yield at
            case op.AT:
                self.looks += 1
                if given is op.AT_END_STRING and at == len(text):
                    yield at
            case op.GROUPREF:
                start, end = self._groups[given]
                self.looks += end - start
                if self._same(text[start:end], text[at : at + end - start]):
                    yield at + end - start
            case op.MAX_REPEAT | op.MIN_REPEAT | op.POSSESSIVE_REPEAT:
                yield from self._repeat(code, *given, text=text, at=at)
            case _:
                self.looks += 1
                if at < len(text) and self._is_one(code, given, text[at]):
                    yield at + 1

    def _repeat(self, code: Any, least: int, most: Any, inner: Any, *, text: str, at: int) -> Iterator[int]:
        """Yield the ends of a repetition: longest first, shortest first, or the longest alone."""
        nodes, ends = list(inner), [at]
        once: Callable[[int], int | None] = lambda start: next(self._seq(nodes, 0, text, start), None)  # noqa: E731
        limit = 10**9 if most is op.MAXREPEAT else most
        if code is op.MIN_REPEAT:
            while True:
                if len(ends) > least:
                    yield ends[-1]
                end = once(ends[-1]) if len(ends) <= limit else None
                if end is None or end == ends[-1]:
                    return
                ends.append(end)
        while len(ends) <= limit and (end := once(ends[-1])) is not None and end != ends[-1]:
            ends.append(end)
        if len(ends) > least:
            yield ends[-1]
            if code is op.MAX_REPEAT:
                yield from reversed(ends[least:-1])

    def _is_one(self, code: Any, given: Any, character: str) -> bool:
        match code:
            case op.ANY:
                return True  # with DOTALL
            case op.LITERAL:
                return self._same(chr(given), character)
            case op.NOT_LITERAL:
                return not self._same(chr(given), character)
            case op.IN:
                negated = given[0][0] is op.NEGATE
                return negated is not any(self._in(one, character) for one in given[negated:])
        raise NotImplementedError(code)

    def _in(self, one: Any, character: str) -> bool:
        code, given = one
        match code:
            case op.LITERAL:
                return self._same(chr(given), character)
            case op.RANGE:
                both = {character, character.lower(), character.upper()} if self._ignore else {character}
                return any(given[0] <= ord(each) <= given[1] for each in both if len(each) == 1)
            case op.CATEGORY:
                return (character in SPACE) is (given is op.CATEGORY_SPACE)
        raise NotImplementedError(code)

    def _same(self, one: str, other: str) -> bool:
        return one.lower() == other.lower() if self._ignore else one == other
