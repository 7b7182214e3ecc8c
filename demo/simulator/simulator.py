"""Plays scenes at a given rate until told to stop."""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Self

import psycopg

from demo.simulator import change_log, people
from demo.simulator.draft import Draft
from demo.simulator.house_rules import CONTEST, FAVOURITE, HouseRules
from demo.simulator.open_transaction import OpenTransaction
from demo.simulator.scenes import CERTAIN, SCENES, Fate, Scene, Trend
from demo.simulator.site import Connection, Site
from demo.simulator.till import Till

OPTIONS = "-c TimeZone=UTC -c lock_timeout=2s -c statement_timeout=60s"
"""The site's timestamps are UTC; a second simulator may hold locks, and then we give up that transaction."""

FIRST_ENTRIES = 12
FIRST_RULES = (FAVOURITE, CONTEST)
"""Of the first crucibles; others' are drawn."""
MANY_ENTRIES = 30
"""Of each crucible that is there when people arrive, and of those that most judges look at: enough to judge at once,
though some break a rule and others are not for everybody's eyes."""
MIN_CRUCIBLES = 4
"""Crucibles below which none ends."""
ENDINGS = frozenset({"delete_crucible", "cancel_crucible", "end_crucible"})


def _never(seconds: float) -> bool:
    """Nobody tells it to end."""
    time.sleep(seconds)
    return False


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large the site may become. Beyond the upper bounds more is removed than added."""

    users: int = 200
    images: int = 2_000
    crucibles: int = 40
    entries: int = 6_000
    open_transactions: int = 4
    """Held open at once, each on a connection of its own."""


@dataclass(slots=True)
class PlayedTally:
    """What a run did, by the simulator's own account. What Postgres counts is the truth."""

    changes: int = 0
    """Row changes believed committed."""
    scenes: Counter[str] = field(default_factory=Counter)
    rolled_back: int = 0
    refused: int = 0
    """Transactions that Postgres refused: a lock held for too long by others, a crucible gone meanwhile."""


class Simulator:
    """The site's users, in one thread. Equal seeds on equal databases play equal scenes.

    Args:
        dsn: libpq connection string of a role that owns the site's tables.
        seed: of the random numbers.
        rate: row changes a second that ``run`` aims at; what a slow server cannot take is not caught up with.
        bounds: how large the site may become.
        till: the Buzz service; None: every crucible is free, and has no rules to speak of.
    """

    def __init__(
        self, dsn: str, seed: int = 1, *, rate: float = 200.0, bounds: Bounds | None = None, till: Till | None = None
    ) -> None:
        if rate <= 0:
            raise ValueError(f"rate must be above 0 changes a second, was {rate}")
        self.bounds = bounds or Bounds()
        self.rate = rate
        self.tally = PlayedTally()
        self._rng = Random(seed)
        self._till = till
        self._main: Connection = psycopg.connect(dsn, options=OPTIONS)
        self._free: list[Connection] = []
        self._open: list[OpenTransaction] = []
        try:
            for _ in range(self.bounds.open_transactions):
                self._free.append(psycopg.connect(dsn, options=OPTIONS))
            change_log.create(self._main)
            people.fill(self._main, self.bounds.users, self.bounds.images)
            if till:
                people.sell(self._main, till)
            self.site = Site.of(self._main)
            while len(self.site.crucibles) < min(8, self.bounds.crucibles):
                number = len(self.site.crucibles)
                self._opening(FIRST_RULES[number] if till and number < len(FIRST_RULES) else None)
            self.site.kept, self.site.contest = (*sorted(self.site.crucibles), None)[:2]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. What is still open is rolled back; ``settle`` first to have it committed."""
        for connection in (self._main, *self._free, *(transaction.draft.connection for transaction in self._open)):
            connection.close()
        self._free, self._open = [], []

    def step(self) -> int:
        """Play one scene and let the open transactions go on; return the row changes that it committed."""
        committed = self._advance()
        choice = self._rng.random()
        if choice < 0.02 and self._free:
            self._begin(statements=self._rng.randint(3, 30))
        elif choice < 0.03:
            committed += self._interleave()
        else:
            committed += self._play(self._pick())
        self.tally.changes += committed
        return committed

    def run(self, seconds: float, told: Callable[[float], bool] = _never) -> PlayedTally:
        """Play at the rate for ``seconds``, then end what is open.

        Args:
            seconds: how long.
            told: waits so many seconds, or until it is True that the simulator is told to end.
        """
        began = due = time.monotonic()
        certain = deque(CERTAIN)
        while not told(0) and due - began < seconds:
            due += self.step() / self.rate
            now = time.monotonic()
            if certain and now - began >= certain[0][0] * seconds:
                self.tally.changes += self._play(certain.popleft()[1])
            if now - began >= seconds:
                break
            if due > now:
                told(min(due, began + seconds) - now)
            else:
                due = max(due, now - 1.0)  # a pause of the server is not answered with a flood
        self.settle()
        return self.tally

    def settle(self) -> None:
        """End every open transaction, the youngest first."""
        while self._open:
            self.tally.changes += self._end(self._open[-1])

    def committed(self) -> change_log.CommittedChanges:
        """Return what Postgres counted, by every simulator since the log began."""
        return change_log.committed(self._main)

    def _pick(self) -> Scene:
        entries, crucibles = len(self.site.entries), len(self.site.crucibles)
        crowded = entries > self.bounds.entries or crucibles > self.bounds.crucibles
        scenes = [
            scene
            for scene in SCENES
            if not (crowded and scene.trend is Trend.GROWS)
            and not (crucibles <= MIN_CRUCIBLES and scene.name in ENDINGS)
        ]
        return self._rng.choices(scenes, [scene.weight for scene in scenes])[0]

    def _play(self, scene: Scene) -> int:
        draft = Draft(self._main, self.site, self._rng, self._till)
        self.tally.scenes[scene.name] += 1
        try:
            scene.play(draft)
            if scene.fate is Fate.COMMIT:
                return draft.commit()
            draft.roll_back()
        except (psycopg.errors.IntegrityError, psycopg.errors.OperationalError) as error:
            self._refused(draft, error)
        else:
            self.tally.rolled_back += 1
        return 0

    def _begin(self, statements: int) -> None:
        crucible = self.site.free_crucible(self._rng)
        if crucible is None:
            return
        fate = Fate.ROLL_BACK if self._rng.random() < 0.25 else Fate.COMMIT
        connection = self._free.pop()
        draft = Draft(connection, self.site, self._rng, self._till)
        self.tally.scenes["open_transaction"] += 1
        try:
            self._open.append(OpenTransaction(draft, crucible, statements, fate))
        except (psycopg.errors.IntegrityError, psycopg.errors.OperationalError) as error:
            self.site.pinned.discard(crucible)
            self._free.append(connection)
            self._refused(draft, error)

    def _advance(self) -> int:
        committed = 0
        for transaction in tuple(self._open):
            if transaction.statements_left <= 0:
                committed += self._end(transaction)
            elif self._rng.random() < 0.5:
                try:
                    transaction.advance()
                except (psycopg.errors.IntegrityError, psycopg.errors.OperationalError) as error:
                    transaction.fate = Fate.ROLL_BACK
                    self._refused(transaction.draft, error)
                    committed += self._end(transaction)
        return committed

    def _interleave(self) -> int:
        """Several transactions take turns, and commit in another order than they began in."""
        before = len(self._open)
        while self._free and len(self._open) < self.bounds.open_transactions:
            self._begin(statements=3)
            if len(self._open) == before:
                return 0
            before = len(self._open)
        committed = self._advance() + self._advance()
        order = list(self._open)
        self._rng.shuffle(order)
        return committed + sum(self._end(transaction) for transaction in order)

    def _end(self, transaction: OpenTransaction) -> int:
        self._open.remove(transaction)
        self._free.append(transaction.draft.connection)
        try:
            committed = transaction.end()
        except psycopg.errors.OperationalError as error:
            self._refused(transaction.draft, error)
            return 0
        self.tally.rolled_back += transaction.fate is Fate.ROLL_BACK
        return committed

    def _refused(self, draft: Draft, error: psycopg.Error) -> None:
        """Give way, because others were quicker: forget this transaction and look again at what is there."""
        if draft.connection.closed:
            raise error
        draft.roll_back()
        self.tally.refused += 1
        pinned = self.site.pinned
        fresh = Site.of(self._main)
        for name in ("users", "images", "crucibles", "entries", "crucible_of", "entries_of", "fees", "expecting"):
            setattr(self.site, name, getattr(fresh, name))
        self.site.pinned = pinned

    def _opening(self, rules: HouseRules | None) -> None:
        draft = Draft(self._main, self.site, self._rng, self._till)
        draft.enter(draft.open_crucible(rules), MANY_ENTRIES if rules in FIRST_RULES else FIRST_ENTRIES)
        self.tally.changes += draft.commit()
