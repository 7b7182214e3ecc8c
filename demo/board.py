"""What a person sees while the demo runs: a live table on a terminal, a line every few seconds elsewhere."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from demo.readings import Reading

TERMINAL_EVERY_SECONDS = 0.5
PLAIN_EVERY_SECONDS = 5.0
"""Seconds between two looks."""


class Living(Protocol):
    """A process with a name."""

    @property
    def name(self) -> str:
        """Return what to call it."""

    @property
    def pid(self) -> int | None:
        """Return its process id, None when it has ended."""


@dataclass(slots=True)
class Rates:
    """Changes and votes a second, over the last look."""

    last: Reading | None = None
    committed: float = 0.0
    consumed: float = 0.0
    voted: float = 0.0

    def take(self, reading: Reading) -> None:
        """Compare with the look before."""
        last, self.last = self.last, reading
        if last is None or reading.at <= last.at:
            return
        seconds = reading.at - last.at
        if last.stores and reading.stores:
            self.committed = (reading.stores.changes - last.stores.changes) / seconds
        if last.watcher and reading.watcher:
            self.consumed = (reading.watcher.consumed - last.watcher.consumed) / seconds
            self.voted = (reading.watcher.votes - last.watcher.votes) / seconds


class ReadingsBoard:
    """Shows readings until told to stop.

    Args:
        console: where to; whether it is a terminal decides how.
        parts: whose being alive is shown.
        look: takes a reading.
        people: who is there as well, and may leave.
    """

    def __init__(
        self, console: Console, parts: Sequence[Living], look: Callable[[], Reading], people: Sequence[Living] = ()
    ) -> None:
        self._console = console
        self._parts, self._people = parts, people
        self._look = look
        self._rates = Rates()
        self._began = time.monotonic()

    def watch(self, over: Callable[[], bool]) -> None:
        """Show what happens until ``over`` says so; ``over`` may raise to end it with an error."""
        if not self._console.is_terminal:
            self._watch_plain(over)
            return
        with Live(self._table(self._read()), console=self._console, auto_refresh=False) as live:
            while not over():
                live.update(self._table(self._read()), refresh=True)
                time.sleep(TERMINAL_EVERY_SECONDS)
            live.update(self._table(self._read()), refresh=True)

    def _watch_plain(self, over: Callable[[], bool]) -> None:
        due = time.monotonic()
        while not over():
            if time.monotonic() >= due:
                self._console.print(self.line(self._read()), soft_wrap=True, highlight=False)
                due = time.monotonic() + PLAIN_EVERY_SECONDS
            time.sleep(0.1)
        self._console.print(self.line(self._read()), soft_wrap=True, highlight=False)

    def _read(self) -> Reading:
        reading = self._look()
        self._rates.take(reading)
        return reading

    def line(self, reading: Reading) -> str:
        """Return one look as one line."""
        words = [f"{time.monotonic() - self._began:4.0f} s"]
        if stores := reading.stores:
            words += [f"changes={stores.changes} ({self._rates.committed:.0f}/s)", f"entries={stores.entries}"]
            words += [f"clickhouse={stores.counted} (rows={stores.rows})", f"redis={stores.rated}"]
            words += [f"admitted={stores.admitted}", f"pool={stores.pool}"]
        if watcher := reading.watcher:
            words += [f"votes={watcher.votes} ({self._rates.voted:.0f}/s)"]
            words += [f"consumed={watcher.consumed}", f"lag={watcher.lag}", f"dead={watcher.dead}"]
            words += [f"fresh_{sink}={p50:g}/{p99:g}s" for sink, (p50, p99) in watcher.freshness.items()]
        left = [part.name for part in self._people if part.pid is None]
        gone = [part.name for part in self._parts if part.pid is None]
        words += [f"left={','.join(left)}"] if left else []
        words += [f"gone={','.join(gone)}"] if gone else []
        words += ["stores=away"] if reading.stores is None else []
        words += ["watcher=away"] if reading.watcher is None else []
        return "  ".join(words)

    def _table(self, reading: Reading) -> Group:
        return Group(self._parts_line(), self._stores_table(reading), self._watcher_table(reading))

    def _parts_line(self) -> Text:
        line = Text(f"{time.monotonic() - self._began:4.0f} s  ")
        for part in (*self._parts, *self._people):
            line.append("● " if part.pid else "○ ", style="green" if part.pid else "red")
            line.append(f"{part.name}  ")
        return line

    def _stores_table(self, reading: Reading) -> Table:
        table = Table("", "Postgres", "ClickHouse", "Redis", title="the stores, by queries of the demo's own")
        if stores := reading.stores:
            table.add_row("entries", str(stores.entries), str(stores.counted), str(stores.rated))
            behind = f"{stores.entries - stores.counted:+d}", f"{stores.entries - stores.rated:+d}"
            table.add_row("behind", "", *behind)
            table.add_row("take part / Buzz in all pools", f"{stores.admitted}  {stores.pool}", "", "")
            table.add_row("votes (Redis: of crucibles that are left)", "", str(stores.votes), str(stores.voted))
            table.add_row("changes / rows", f"{stores.changes}  {self._rates.committed:.0f}/s", str(stores.rows), "")
        else:
            table.add_row("", "away", "away", "away")
        return table

    def _watcher_table(self, reading: Reading) -> Table:
        table = Table("events", "", "fresh within", "p50", "p99", title="the watcher, by its own metrics")
        if watcher := reading.watcher:
            left = [
                ("consumed", f"{watcher.consumed}  {self._rates.consumed:.0f}/s"),
                ("applied", str(watcher.applied)),
                ("ignored", str(watcher.ignored)),
                ("dead letters", str(watcher.dead)),
                ("repeats recognised", str(watcher.repeated)),
                ("lag", str(watcher.lag)),
                ("votes", f"{watcher.votes}  {self._rates.voted:.0f}/s"),
                ("votes refused", str(watcher.refused)),
            ]
            right = [(sink, f"{p50:g} s", f"{p99:g} s") for sink, (p50, p99) in watcher.freshness.items()]
            for number, words in enumerate(left):
                table.add_row(*words, *(right[number] if number < len(right) else ("", "", "")))
        else:
            table.add_row("away", "")
        return table
