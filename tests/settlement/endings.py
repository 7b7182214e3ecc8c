"""A site whose crucibles end: everything that settles them, as the role that does, with votes in memory."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.entries.site import Heard, OpenSession, Site, carry_out
from tests.settlement.ballots import MemoryBallots
from watcher.buzz.port import Buzz
from watcher.entries.decider import Decider
from watcher.entries.fee_executor import FeeExecutor
from watcher.model.crucible_events import Payouts
from watcher.model.entry_decision import FeePolicy
from watcher.model.errors import TemporaryError
from watcher.model.settlement import CrucibleOutcome
from watcher.notify.executor import NoticeExecutor
from watcher.notify.table import NoticeTable
from watcher.outbox.dispatcher import Dispatcher
from watcher.postgres.own import crucible_event
from watcher.postgres.own.settlement import Settlement, WaitingEndings
from watcher.postgres.session import Session
from watcher.settlement.announcing import announce
from watcher.settlement.last_entries import LastEntries
from watcher.settlement.ports import Ballots
from watcher.settlement.prize_executor import PrizeExecutor
from watcher.settlement.refunds import Refunds
from watcher.settlement.result import ResultWriter
from watcher.settlement.steps import Steps
from watcher.settlement.watch_endings import WatchEndings

PAST = "2026-01-01"
FUTURE = "2126-01-01"
SPLIT = '{"1": 50, "2": 30, "3": 20}'


@dataclass
class EndingsHeard:
    """An observer that keeps what it hears."""

    states: list[tuple[int, str]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    waits: list[WaitingEndings] = field(default_factory=list)

    def moved(self, one: Settlement) -> None:
        self.states.append((one.crucible_id, one.state.value))

    def parked(self, one: Settlement, reason: str) -> None:
        self.reasons.append(reason)

    def waiting(self, found: Sequence[WaitingEndings]) -> None:
        self.waits = list(found)

    def away(self, error: TemporaryError, crucible_id: int | None) -> None:
        self.faults.append(str(error))


def watch_endings(
    open_session: OpenSession,
    ballots: Ballots,
    heard: EndingsHeard,
    owner: str,
    told: Callable[[CrucibleOutcome], None],
    *,
    observe: bool = False,
    payouts: Payouts = "watcher",
    fee_patience: float = 0.0,
) -> WatchEndings:
    """What settles, as the settle role puts it together."""
    policy = FeePolicy(charge=True, observe=observe)
    entries = LastEntries(Decider(policy, "settle"))

    def tell(session: Session, outcome: CrucibleOutcome) -> None:
        announce(session, outcome, payouts)
        told(outcome)

    result = ResultWriter(tell, observe=observe, payouts=payouts)
    steps = Steps(
        ballots, entries, result, Refunds(entries, tell, observe=observe),
        tell=crucible_event.write, fee_patience=fee_patience,
    )  # fmt: skip
    return WatchEndings(open_session, steps, heard, owner=owner, sweep_seconds=0.0, timeout=60.0)


def dispatchers(open_session: OpenSession, buzz: Buzz, heard: Heard) -> list[Dispatcher]:
    """What carries out the outbox, as the settle role does."""
    fees = FeeExecutor(buzz, open_session, Decider(FeePolicy(), "settle"))
    executors = (
        PrizeExecutor(buzz, fees, crucible_event.write),
        NoticeExecutor(NoticeTable(open_session), open_session),
    )
    return [Dispatcher(open_session, one, heard, "test", spread=lambda: 0.0) for one in executors]


class Endings:
    """What the settle role does.

    Args:
        site: the site.
        open_session: connects as the role that settles.
        service: the double of the Buzz service, its door for tests.
    """

    def __init__(self, site: Site, open_session: OpenSession, service: httpx.Client) -> None:
        self.site, self.open_session, self.service = site, open_session, service
        self.ballots, self.heard = MemoryBallots(), EndingsHeard()
        self.outcomes: list[CrucibleOutcome] = []

    def watch(self, owner: str = "one", **settings: Any) -> WatchEndings:
        """A task that settles; each turn is the caller's."""
        ballots = settings.pop("ballots", self.ballots)
        return watch_endings(self.open_session, ballots, self.heard, owner, self.outcomes.append, **settings)

    def turn(self, **settings: Any) -> None:
        """One look at all endings."""
        watch = self.watch(**settings)
        try:
            watch.turn()
        finally:
            watch.end()

    def pay(self) -> None:
        """Carry out everything that is due outside."""
        for one in dispatchers(self.open_session, self.site.buzz, self.site.heard):
            carry_out(one)

    def go_on(self, rounds: int = 3, **settings: Any) -> None:
        """Settle and pay until nothing moves."""
        for _ in range(rounds):
            self.now()
            self.turn(**settings)
            self.pay()
        self.turn(**settings)

    def now(self) -> None:
        """Have nothing wait for its next attempt, and nobody's lease hold."""
        self.site.run("UPDATE SCHEMA.settlement SET next_at = now(), claimed_by = NULL, claimed_until = NULL")
        self.site.run(
            "UPDATE SCHEMA.outbox SET next_at = now(), claimed_until = now() - interval '1 s' WHERE state <> 'done'"
        )

    def crucible(self, **columns: Any) -> int:
        """An active crucible that ends in a hundred years, for a fee of 100 each, divided 50, 30 and 20."""
        values = {"entryFee": 100, "entryLimit": 9, "prizePositions": SPLIT, "endAt": FUTURE, **columns}
        return self.site.crucible(**values)

    def rich(self, amount: int = 1_000) -> int:
        """A user who holds Buzz."""
        user = self.site.user()
        self.service.post(
            "/_simulator/fund", json={"accountId": user, "accountType": "User", "amount": amount}
        ).raise_for_status()
        return user

    def enter(self, crucible: int, users: Iterable[int | None]) -> list[int]:
        """Entries that are in, and have paid; of new rich users where none is named."""
        entries = [self.site.enter(crucible, user or self.rich()) for user in users]
        self.site.decide()
        self.pay()
        return entries

    def end(self, crucible: int, when: str = PAST) -> None:
        """Have a crucible's end come."""
        self.site.run('UPDATE "Crucible" SET "endAt" = %s WHERE id = %s', when, crucible)

    def state(self, crucible: int) -> str | None:
        """Where its ending is."""
        state: str | None = self.site.one("SELECT state FROM SCHEMA.settlement WHERE crucible_id = %s", crucible)
        return state

    def shown(self, crucible: int, *columns: str) -> Any:
        """Columns of its ending."""
        query = f"SELECT {', '.join(columns)} FROM SCHEMA.settlement WHERE crucible_id = %s"  # noqa: S608 - of a test
        rows = self.site.all(query, crucible)
        return rows[0] if len(columns) > 1 else rows[0][0]

    def status(self, crucible: int) -> str:
        """What the site's row says."""
        return str(self.site.one('SELECT status::text FROM "Crucible" WHERE id = %s', crucible))

    def table(self, crucible: int) -> list[tuple[Any, ...]]:
        """(entry, position, score, number of votes) as the site's rows say, by entry."""
        return self.site.all(
            'SELECT id, position, score, "voteCount" FROM "CrucibleEntry" WHERE "crucibleId" = %s ORDER BY id', crucible
        )

    def holds(self, user: int) -> int:
        """What a user holds."""
        return self.site.buzz.balance(user)

    def moved(self, crucible: int) -> tuple[int, int, int]:
        """Buzz of a crucible that the bank took as fees, gave back, and paid as prizes."""
        told = self.service.post("/_simulator/books", json={}).json()["moved"]
        fee, prize = f"crucible-entry-{crucible}-", f"crucible-prize-{crucible}-"
        taken = {one["id"]: one["amount"] for one in told if (one["external"] or "").startswith(fee)}
        back = sum(one["amount"] for one in told if one["refund_of"] in taken)
        return (
            sum(taken.values()),
            back,
            sum(one["amount"] for one in told if (one["external"] or "").startswith(prize)),
        )

    def events(self, crucible: int) -> list[str]:
        """Types of the events that others are told of it, in their order, entries aside."""
        query = (
            "SELECT type FROM SCHEMA.crucible_event WHERE crucible_id = %s AND type NOT LIKE 'entry.%%' ORDER BY number"
        )
        return [kind for (kind,) in self.site.all(query, crucible)]

    def notices(self, user: int) -> list[str]:
        """What a user was told, in words."""
        return [
            told for (told,) in self.site.all("SELECT message FROM SCHEMA.notice WHERE user_id = %s ORDER BY key", user)
        ]
