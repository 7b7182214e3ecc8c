"""A comparison's connections serve the next one, and never two at once."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from watcher.recovery.comparison_pool import ComparisonConnections, ComparisonPool


def made(closed: list[int]) -> ComparisonPool:
    """Return a pool of connections with numbers, which note when they are closed."""
    numbers = count()

    def connect() -> Any:
        number = next(numbers)
        return SimpleNamespace(number=number, close=lambda: closed.append(number))

    return ComparisonPool(connect)


def test_what_came_back_is_lent_again() -> None:
    """One at a time, the connections are always the same; also after an error."""
    closed: list[int] = []
    pool = made(closed)
    seen: list[Any] = []
    for _ in range(2):
        with pool.lend() as lent:
            seen.append(lent)
    with pytest.raises(ValueError, match="of the comparison"), pool.lend():
        raise ValueError("of the comparison")
    with pool.lend() as lent:
        seen.append(lent)

    assert [lent.number for lent in seen] == [0] * 3
    assert closed == []


def test_each_drain_is_a_new_one() -> None:
    """Over the same connection: what an older one remembers of a log may be what the comparison is about."""
    drains: list[tuple[int, list[tuple[int, float]]]] = []

    def new_drain(tables: Any) -> Any:
        asked: list[tuple[int, float]] = []
        drains.append((tables, asked))
        return SimpleNamespace(drain_crucible=lambda crucible_id, seconds: asked.append((crucible_id, seconds)))

    tables: Any = 5
    connections = ComparisonConnections(tables, tables, new_drain)
    connections.drain(42, 1.0)
    connections.drain(43, 2.0)

    assert drains == [(5, [(42, 1.0)]), (5, [(43, 2.0)])]


def test_two_at_once_have_two() -> None:
    """Connections are for one thread at a time."""
    pool = made([])
    with pool.lend() as one, pool.lend() as other:
        numbers: list[Any] = [one, other]

    assert [lent.number for lent in numbers] == [0, 1]


def test_all_are_closed() -> None:
    """Those that are idle at once, one that is lent when it comes back."""
    closed: list[int] = []
    pool = made(closed)
    with pool.lend():
        with pool.lend():
            pass
        pool.close()
        idle = list(closed)

    assert (idle, closed) == ([1], [1, 0])
