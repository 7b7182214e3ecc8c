"""Compares endings: places and prizes with the votes cast again, and what was promised with what was really paid."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from demo.disagreement import Disagreement, Kind
from demo.entries.buzz_books import BooksRead, Movement
from demo.entries.money_audit import PRIZES as PRIZE_NAMES
from demo.truth import Connection
from demo.vote_truth import ExpectedStanding

HERE = Path(__file__).parent
SCHEMA = "crucible_watcher"
OPEN = """
SELECT ending.crucible_id, ending.state, coalesce(ending.reason, ending.error)
  FROM crucible_watcher.settlement ending
  LEFT JOIN "Crucible" crucible ON crucible.id = ending.crucible_id
 WHERE ending.state NOT IN ('due', 'done', 'cancelled')
    OR ending.state = 'due'
       AND (crucible."endAt" <= now() AT TIME ZONE 'UTC' OR crucible.status IS DISTINCT FROM 'Active')
 ORDER BY 1
"""
LATE = """
SELECT crucible.id
  FROM "Crucible" crucible
 WHERE crucible.status = 'Active' AND crucible."endAt" <= now() AT TIME ZONE 'UTC'
   AND NOT EXISTS (SELECT FROM crucible_watcher.settlement ending WHERE ending.crucible_id = crucible.id)
"""
LAST_VOTES = "SELECT crucible_id, epoch, seq, votes FROM crucible_watcher.settlement WHERE settled_at IS NOT NULL"
PROMISED = "SELECT crucible_id, entry_id, user_id, amount FROM crucible_watcher.settlement_prize"
ENDED = """
SELECT count(*) FILTER (WHERE settled_at IS NOT NULL), count(*) FILTER (WHERE state = 'cancelled')
  FROM crucible_watcher.settlement
"""


def differing(what: str, schema: str) -> bytes:
    """Return the query of ``places`` or ``prizes`` that are not what the votes say, or of the ``sums`` of all endings.

    Its parameters are columns of the votes' result, cast again: ``crucibles``, ``entries``, ``ratings``, ``votes``.

    Args:
        what: one of the three.
        schema: the watcher's own.
    """
    text = "".join((HERE / f"{name}.sql").read_text(encoding="utf-8") for name in ("result", what))
    return text.replace("SCHEMA", schema).encode()


PLACES, PRIZES, SUMS = (differing(what, SCHEMA) for what in ("places", "prizes", "sums"))


def tally(postgres: Connection) -> tuple[int, int]:
    """Return how many crucibles have a result, and how many were cancelled."""
    row = postgres.execute(ENDED).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def prizes(books: BooksRead) -> list[Movement]:
    """Return the prizes that were really paid."""
    return [one for one in books.moved if (one.external or "").startswith(PRIZE_NAMES)]


def compare(postgres: Connection, books: BooksRead, voted: Mapping[int, ExpectedStanding]) -> list[Disagreement]:
    """Return every disagreement of results, prizes and refunds with votes and ledger."""
    again = _cast_again(voted)
    return [
        *(
            Disagreement(Kind.LOST, "endings", f"crucible {crucible} is {state}: {why}", 1)
            for crucible, state, why in postgres.execute(OPEN)
        ),
        *(
            Disagreement(Kind.LOST, "endings", f"the end of crucible {crucible} was not noticed", 1)
            for (crucible,) in postgres.execute(LATE)
        ),
        *(
            Disagreement(Kind.WRONG, "places", f"crucible {crucible} entry {entry} has {written}, not {due}", 1)
            for crucible, entry, *rest in postgres.execute(PLACES, again)
            for written, due in [(rest[:3], rest[3:])]
        ),
        *(
            Disagreement(Kind.WRONG, "prizes", f"crucible {crucible} place {place} is {promised}, not {due}", 1)
            for crucible, place, *rest in postgres.execute(PRIZES, again)
            for promised, due in [(rest[:2], rest[2:])]
        ),
        *(
            Disagreement(Kind.WRONG, "endings", f"crucible {crucible} came to {told}, not {due}", 1)
            for crucible, told, due in postgres.execute(SUMS, again)
            if told != due
        ),
        *_last_votes(postgres, voted),
        *paid(
            books, {(crucible, entry): (user, amount) for crucible, entry, user, amount in postgres.execute(PROMISED)}
        ),
    ]


def paid(books: BooksRead, promised: Mapping[tuple[int, int], tuple[int, int]]) -> list[Disagreement]:
    """Return which prizes were not paid once, to who won them, as was promised; and what else was paid.

    Args:
        books: the Buzz service's.
        promised: crucible and entry -> user and amount.
    """
    findings, times = [], Counter[tuple[int, int]]()
    for one in prizes(books):
        _, _, crucible, entry = (one.external or "").split("-")
        key = int(crucible), int(entry)
        times[key] += 1
        if key not in promised:
            findings.append(Disagreement(Kind.TWICE, "payouts", f"{one.external} pays {one.amount} for nothing", 1))
        elif (one.to_account, one.amount) != promised[key]:
            what = f"{one.external} pays {one.amount} to {one.to_account}, not {promised[key]}"
            findings.append(Disagreement(Kind.WRONG, "payouts", what, 1))
    for key in sorted(promised):
        if times[key] != 1:
            kind = Kind.TWICE if times[key] else Kind.LOST
            findings.append(Disagreement(kind, "payouts", f"prize of {key} was paid {times[key]} times", 1))
    return findings


def _last_votes(postgres: Connection, voted: Mapping[int, ExpectedStanding]) -> list[Disagreement]:
    """Return where this does not hold: every vote that counts is part of the result, and no vote came after it."""
    findings = []
    for crucible, epoch, seq, votes in postgres.execute(LAST_VOTES):
        standing = voted.get(crucible, ExpectedStanding())
        last, due = (epoch or 0, seq or 0, votes), (*standing.last, standing.cast)
        if last[1:] != due[1:] or (due[2] and last != due):
            what = f"crucible {crucible} ended with {last}, its last vote is {due}"
            findings.append(Disagreement(Kind.LOST, "last votes", what, 1))
    return findings


def _cast_again(voted: Mapping[int, ExpectedStanding]) -> dict[str, list[int]]:
    rows = [
        (crucible, entry, standing.ratings[entry], votes)
        for crucible, standing in voted.items()
        for entry, votes in standing.votes.items()
    ]
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    return {name: list(values) for name, values in zip(_COLUMNS, columns, strict=True)}


_COLUMNS = ("crucibles", "entries", "ratings", "votes")
