"""A comparison's connections serve the next one, and never two at once."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from watcher.recovery.comparison_pool import ComparisonPool


def made(closed: list[int]) -> ComparisonPool:
    """ComparisonPool over connections with numbers, which note when they are closed."""
    numbers = count()

    def connections() -> Any:
        number = next(numbers)
        return SimpleNamespace(history=number, tables=number, close=lambda: closed.append(number))

    def drain(tables: Any) -> Any:
        return SimpleNamespace(over=tables)

    return ComparisonPool(connections, drain)


def test_what_came_back_is_lent_again() -> None:
    """One at a time, the connections are always the same; also after an error. What drains over them is new."""
    closed: list[int] = []
    benches = made(closed)
    seen = []
    for _ in range(2):
        with benches.lend() as bench:
            seen.append(bench)
    with pytest.raises(ValueError, match="of the comparison"), benches.lend() as bench:
        raise ValueError("of the comparison")
    with benches.lend() as bench:
        seen.append(bench)

    assert [(bench.history, bench.tables) for bench in seen] == [(0, 0)] * 3
    assert len({id(bench.drain) for bench in seen}) == 3
    assert closed == []


def test_two_at_once_have_two() -> None:
    """A bench is for one thread at a time."""
    benches = made([])
    with benches.lend() as one, benches.lend() as other:
        assert (one.history, other.history) == (0, 1)


def test_all_are_closed() -> None:
    """Those that are idle at once, one that is lent when it comes back."""
    closed: list[int] = []
    benches = made(closed)
    with benches.lend():
        with benches.lend():
            pass
        benches.close()
        idle = list(closed)

    assert (idle, closed) == ([1], [1, 0])
