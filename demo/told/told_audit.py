"""Compares what was heard with what happened: PostgreSQL's rows, and the Buzz service's books."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

from demo.disagreement import Disagreement, Kind, compare_sums
from demo.endings.ending_audit import PROMISED, prizes
from demo.entries.buzz_books import BooksRead
from demo.told.heard import Event, Heard, HeardNotice
from demo.truth import Connection

Thing = TypeVar("Thing")
THINNED = """
SELECT ending.crucible_id
  FROM crucible_watcher.settlement ending
 WHERE ending.settled_at IS NOT NULL
   AND ending.placed <> (
           SELECT count(*) FROM "CrucibleEntry" entry
            WHERE entry."crucibleId" = ending.crucible_id AND entry.position IS NOT NULL
       )
"""
"""Crucibles of which entries were deleted after the result: nobody knows their places any more."""
PLACED = """
SELECT ending.crucible_id, entry."userId", min(entry.position)
  FROM crucible_watcher.settlement ending JOIN "CrucibleEntry" entry ON entry."crucibleId" = ending.crucible_id
 WHERE ending.settled_at IS NOT NULL AND entry.position IS NOT NULL
 GROUP BY 1, 2
"""
WON = """
SELECT crucible_id, entry_id, user_id, amount
  FROM crucible_watcher.settlement_prize
 WHERE NOT EXISTS (
           SELECT FROM "UserNotificationSettings" off
            WHERE off."userId" = user_id AND off.type = 'crucible-reward-earned'
       )
"""
"""Prizes of those who want to hear of them; of the other type nobody in the demo wants to hear nothing."""
OVER = """
SELECT crucible_id, creator_id, refunded FROM crucible_watcher.settlement
 WHERE settled_at IS NOT NULL OR state = 'cancelled'
"""
ENDED = """
SELECT crucible_id, CASE WHEN settled_at IS NULL THEN state ELSE 'settled' END FROM crucible_watcher.settlement
"""
POSITIONS = """
SELECT ending.crucible_id, entry.id, entry.position, entry.score
  FROM crucible_watcher.settlement ending JOIN "CrucibleEntry" entry ON entry."crucibleId" = ending.crucible_id
 WHERE ending.settled_at IS NOT NULL AND entry.position IS NOT NULL
"""
OURS = """
SELECT prefix FROM crucible_watcher.entry_fee
UNION SELECT setup_prefix FROM crucible_watcher.settlement WHERE setup_prefix IS NOT NULL
"""
"""Fees that the watcher has looked at; of others it gives nothing back, and tells nothing."""
VERDICTS = "SELECT entry_id, verdict, fee FROM crucible_watcher.entry_verdict WHERE verdict <> 'waiting'"


@dataclass(frozen=True, slots=True)
class Due:
    """What one notice has to say."""

    user: int
    number: int | None = None
    """Place or prize."""


def compare(postgres: Connection, books: BooksRead, heard: Heard) -> list[Disagreement]:
    """Compare all of it."""
    ended = dict(postgres.execute(ENDED).fetchall())
    thinned = {crucible for (crucible,) in postgres.execute(THINNED)}
    due = {
        f"crucible-ended:{crucible}:{user}": Due(user, place)
        for crucible, user, place in postgres.execute(PLACED)
        if crucible not in thinned
    }
    due |= {
        f"crucible-reward-earned:{crucible}:{entry}": Due(user, amount)
        for crucible, entry, user, amount in postgres.execute(WON)
    }
    over = postgres.execute(OVER).fetchall()
    due |= {f"crucible-ended:{crucible}": Due(creator) for crucible, creator, _ in over}
    back = {crucible: int(refunded) for crucible, _, refunded in over if refunded}
    verdicts = {entry: (verdict, fee) for entry, verdict, fee in postgres.execute(VERDICTS)}
    positions = Counter(tuple(row) for row in postgres.execute(POSITIONS) if row[0] not in thinned)
    promised = Counter(tuple(row) for row in postgres.execute(PROMISED))
    return [
        *notices(due, back, [one for one in heard.notices if not _is_place(one, thinned)]),
        *once(heard.events),
        *entries(verdicts, heard.events),
        *endings(ended, heard.events),
        *results(positions, promised, heard.events, thinned),
        *money(books, {prefix.rstrip("-") for (prefix,) in postgres.execute(OURS)}, heard.events),
    ]


def notices(due: dict[str, Due], back: dict[int, int], told: Sequence[HeardNotice]) -> list[Disagreement]:
    """Everybody was told what is due, once, and nothing else; of what came back the sums are right.

    Args:
        due: key of a notice -> what it has to say.
        back: cancelled crucible -> Buzz that went back.
        told: who was told.
    """
    findings, times, refunded = [], Counter[str](), Counter[int]()
    for one in told:
        times[one.key] += 1
        wanted, details = due.get(one.key), one.details
        if details.get("cancelled"):
            is_creators = "setupRefunded" in details
            refunded[details["crucibleId"]] += details["setupRefunded"] if is_creators else details["refunded"]
        elif wanted is None:
            findings.append(
                Disagreement(Kind.TWICE, "notices", f"user {one.user} was told of {one.key} for nothing", 1)
            )
        if wanted is not None and (wanted.user, wanted.number) != (one.user, _number(one)):
            what = f"{one.key} told user {one.user} of {_number(one)}, not {wanted}"
            findings.append(Disagreement(Kind.WRONG, "notices", what, 1))
    for key in sorted(due.keys() | times.keys()):
        if times[key] > 1:
            findings.append(Disagreement(Kind.TWICE, "notices", f"{key} was told {times[key]} times", times[key] - 1))
        elif not times[key]:
            findings.append(Disagreement(Kind.LOST, "notices", f"nobody was told of {key}", 1))
    return [*findings, *compare_sums("refunds that were told", back, +refunded)]


def once(told: Sequence[Event]) -> list[Disagreement]:
    """No event came twice."""
    return [
        Disagreement(Kind.TWICE, "events", f"event {event} came {times} times", times - 1)
        for event, times in Counter(one.id for one in told).items()
        if times > 1
    ]


def entries(verdicts: dict[int, tuple[str, int]], told: Sequence[Event]) -> list[Disagreement]:
    """Return where this does not hold: the last that was told of an entry is its verdict."""
    last = dict[int, tuple[str, int]]()
    for one in sorted(told, key=lambda event: event.time):
        what, _, verdict = one.type.partition(".")
        if what == "entry":
            last[one.body["entryId"]] = (verdict, one.body.get("fee", 0))
    return [
        Disagreement(
            Kind.LOST, "events of entries", f"entry {entry} is {verdict}, and was told to be {last.get(entry)}", 1
        )
        for entry, verdict in sorted(verdicts.items())
        if last.get(entry) != verdict
    ]


def endings(ended: dict[int, str], told: Sequence[Event]) -> list[Disagreement]:
    """Return where this does not hold: each crucible that is over was told of, once, and no other."""
    due = Counter((crucible, state) for crucible, state in ended.items() if state in {"settled", "cancelled"})
    came = Counter(
        (one.body["crucibleId"], state)
        for one in told
        if one.type in {"crucible.settled", "crucible.cancelled"} and (state := one.type.partition(".")[2])
    )
    return _differences("events of endings", due, came)


def results(
    positions: Counter[tuple[int, ...]],
    promised: Counter[tuple[int, ...]],
    told: Sequence[Event],
    thinned: Collection[int] = (),
) -> list[Disagreement]:
    """Standings and prizes that were told are those that stand in the site's tables.

    Args:
        positions: crucible, entry, position and score of each place.
        promised: crucible, entry, user and amount of each prize.
        told: events.
        thinned: crucibles whose places are not known any more.
    """
    standings = Counter(
        (one.body["crucibleId"], place["entryId"], place["position"], place["score"])
        for one in told
        if one.body["crucibleId"] not in thinned
        for place in one.body.get("standings", ())
    )
    won = Counter(
        (one.body["crucibleId"], prize["entryId"], prize["userId"], prize["amount"])
        for one in told
        for prize in one.body.get("prizes", ())
    )
    return [
        *_differences("standings that were told", positions, standings),
        *_differences("prizes that were told", promised, won),
    ]


def money(books: BooksRead, ours: set[str], told: Sequence[Event]) -> list[Disagreement]:
    """Return where this does not hold: each Buzz that was told to have moved has moved, and the other way round.

    Args:
        books: the Buzz service's.
        ours: what the names of payments begin with that were for the watcher to give back.
        told: events.
    """
    paid = Counter((one.external, one.amount) for one in prizes(books))
    told_paid = Counter((one.body["payoutId"], one.body["amount"]) for one in told if one.type == "prize.paid")
    fees = {one.id: one.prefix for one in books.fees}
    back, told_back = Counter[str](), Counter[str]()
    for one in books.refunds:
        if (prefix := fees[one.refund_of or ""].rstrip("-")) in ours:
            back[prefix] += one.amount
    for event in told:
        if event.type == "fee.refunded":
            told_back[event.body["prefix"].rstrip("-")] += event.body["amount"]
    return [
        *_differences("payments that were told", paid, told_paid),
        *_differences("refunds that were told of", Counter(back.items()), Counter(told_back.items())),
    ]


def _is_place(one: HeardNotice, crucibles: Collection[int]) -> bool:
    """Tell whether a notice tells of a place in one of some crucibles."""
    return "totalEntries" in one.details and "position" in one.details and one.details["crucibleId"] in crucibles


def _number(one: HeardNotice) -> int | None:
    number: int | None = one.details.get("amount", one.details.get("position"))
    return number


def _differences(where: str, due: Counter[Thing], came: Counter[Thing]) -> list[Disagreement]:
    return [
        *(Disagreement(Kind.LOST, where, f"nobody was told of {one}", number) for one, number in (due - came).items()),
        *(Disagreement(Kind.TWICE, where, f"{one} did not happen", number) for one, number in (came - due).items()),
    ]
