"""Compares each materialized view with its table: every column of every key, while writers go on."""

import time
from collections.abc import Callable
from typing import Final

import msgspec

from watcher.clickhouse.queries import queries
from watcher.migrations.clickhouse.contents import Contents, contents
from watcher.migrations.clickhouse.server import Server
from watcher.migrations.clickhouse.steps import View

DIFFERS: Final = "view"
"""What is wrong with a key of a view, as drift is told."""
MAX_KEYS: Final = 1_000
"""Keys of a view that are told; more would hide what is wrong with it."""
SURE_LOOKS: Final = 4
LOOK_SECONDS: Final = 1.0
"""By how many more looks a key has to differ than not, or the other way round, and seconds between two. An insert is in
the table a moment before it is in the view, so a key that is right may differ at a look, and one that is wrong by as
much may not. Fewer or shorter: that moment decides."""
MAX_LOOKS: Final = 40
"""Looks after which what differs as often as not is left to the next comparison."""


class ViewReport(msgspec.Struct, frozen=True):
    """Keys of which a view shows something else than its table's rows come to."""

    view: str
    """Its name, as people read it."""
    differing: int
    """How many, at most :data:`MAX_KEYS`."""
    examples: tuple[tuple[str, str, str], ...]
    """Some of them: the key, what was counted, and what the view shows."""
    mended: bool = False
    """Whether it was made anew since."""

    @property
    def left(self) -> int:
        """Return how many still differ."""
        return 0 if self.mended else self.differing


class DifferingView(msgspec.Struct, frozen=True):
    """A view, and the keys of it that differ, each with what was counted and what is shown."""

    view: View
    keys: tuple[tuple[str, str, str], ...]

    def report(self, examples: int, *, mended: bool = False) -> ViewReport:
        """Return what people and programs are told of it."""
        return ViewReport(name_of(self.view), len(self.keys), self.keys[:examples], mended)


def name_of(view: View) -> str:
    """Return a view's name, as people read it."""
    return view.target.removesuffix("_v1")


def differing(server: Server, view: View, pause: Callable[[float], None] = time.sleep) -> DifferingView:
    """Return which keys of a view differ, look after look: what changes in between is on its way.

    Args:
        server: ClickHouse.
        view: which.
        pause: waits for some seconds.

    Raises:
        TemporaryError: ClickHouse is away.
        MigrationError: it refuses.
    """
    server.catch_up(view.source)
    held = contents(server, view)
    slices = held.slices()
    found: list[tuple[str, str, str]] = []
    for number in range(slices):
        if len(found) < MAX_KEYS:
            found += _keys(held, number, slices, MAX_KEYS - len(found))
    return DifferingView(view, tuple(_surely(held, found, pause)))


def differing_slice(
    server: Server, view: View, number: int, pause: Callable[[float], None] = time.sleep
) -> tuple[DifferingView, int]:
    """Return which keys of one slice of a view differ, in the same way, and how many slices there are.

    Raises:
        TemporaryError: ClickHouse is away.
        MigrationError: it refuses.
    """
    server.catch_up(view.source)
    held = contents(server, view)
    of = held.slices()
    found = _keys(held, number, of, MAX_KEYS)
    return DifferingView(view, tuple(_surely(held, found, pause, number, of))), of


def _surely(
    held: Contents, found: list[tuple[str, str, str]], pause: Callable[[float], None], number: int = 0, of: int = 1
) -> list[tuple[str, str, str]]:
    """Return what of some keys differs at most looks, as the last of them shows it."""
    score, last = {one[0]: 1 for one in found}, {one[0]: one for one in found}
    for _ in range(MAX_LOOKS):
        open_ones = [name for name, sure in score.items() if abs(sure) < SURE_LOOKS]
        if not open_ones:
            break
        pause(LOOK_SECONDS)
        again = {one[0]: one for one in _keys(held, number, of, MAX_KEYS, open_ones)}
        last |= again
        for name in open_ones:
            score[name] += 1 if name in again else -1
    return [last[name] for name, sure in score.items() if sure >= SURE_LOOKS]


def _keys(
    held: Contents, number: int, of: int, most: int, among: list[str] | None = None
) -> list[tuple[str, str, str]]:
    text = held.server.render(
        queries()["keys_that_differ"],
        name="concat(" + ", ':', ".join(f"toString({key})" for key in held.keys) + ")",
        columns=held.view.fingerprint,
        sums=", ".join(f"toInt64({name}) AS {name}" for name in held.sums),
        counted=_said(held, 1),
        shown=_said(held, 2),
        expected=held.expected(held.slice(number, of)),
        held=held.held(held.slice(number, of, held=True)),
        wanted="1" if among is None else "has({names:Array(String)}, name)",
    )
    names = {} if among is None else {"names": among}
    return [(str(a), str(b), str(c)) for a, b, c in held.server.ask(text, most=most, **names)]


def _said(held: Contents, side: int) -> str:
    """Return the sums of one side, with their names, as SQL."""
    parts = ", ', ', ".join(f"'{name} ', toString(sumIf({name}, side = {side}))" for name in held.sums)
    return f"concat({parts})"
