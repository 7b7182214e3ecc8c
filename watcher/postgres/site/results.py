"""Results, written into the site's own tables. Beside these, only checkpoints of scores change any of them."""

from collections.abc import Iterator
from typing import Final

import msgspec

from watcher.model.final_ranking import EnteredEntries, Ranking
from watcher.model.settlement import CrucibleNow
from watcher.postgres.copying import copy_in, copy_out
from watcher.postgres.session import Session
from watcher.postgres.site.statements import site_statements

_STATEMENTS: Final = site_statements("results.sql")
PAGE_ENTRIES: Final = 20_000
"""Entries of one statement. More: where the site has an index by hash over "crucibleId", one statement outlasts
settlement.step_timeout, for each row of it walks along all entries of the crucible; fewer: more statements."""
LINES_AT_ONCE: Final = 10_000
"""Lines of one message. More: more memory; fewer: more calls."""
NO_POSITION: Final = r"\N"


class LockedRow(msgspec.Struct, frozen=True):
    """A crucible's row, which stays so until the end of the transaction."""

    now: CrucibleNow
    prize_positions: str | None
    """JSON of the column."""
    entry_fee: int
    """Buzz."""


def lock_row(session: Session, crucible_id: int) -> LockedRow | None:
    """Return a crucible's row, which nobody else changes until the end of the transaction; None if there is none."""
    rows = session.run(_STATEMENTS["lock_row"], crucible_id)
    if not rows:
        return None
    status, is_over, prizes, fee = rows[0]
    return LockedRow(CrucibleNow(status, is_over), prizes, fee)


def fix_competitors(session: Session, crucible_id: int) -> None:
    """Write who competes in a crucible, unless that is written already.

    Args:
        session: within the transaction of the freeze.
        crucible_id: whose entries; it is locked, so that none is being made.
    """
    session.run(_STATEMENTS["fix_competitors"], {"crucible": crucible_id})


def entered(session: Session, crucible_id: int, *, undecided: bool) -> EnteredEntries:
    """Return the entries of a crucible as they are now.

    Args:
        session: within a transaction.
        crucible_id: whose entries.
        undecided: whether an entry takes part about which nothing was decided.
    """
    rows = copy_out(session, _STATEMENTS["entered"], {"crucible": crucible_id, "undecided": undecided})
    return EnteredEntries.of((int(entry), int(user), int(made), placed == "1") for entry, user, made, placed in rows)


def write_results(session: Session, crucible_id: int, ranking: Ranking) -> int:
    """Write score, number of votes and position of each entry; return how many of them were still there.

    Args:
        session: within a transaction.
        crucible_id: whose entries.
        ranking: of them.
    """
    session.run(_STATEMENTS["make_results"])
    written = 0
    for first in range(0, len(ranking.entry_ids), PAGE_ENTRIES):
        page = slice(first, first + PAGE_ENTRIES)
        copy_in(session, _STATEMENTS["fill_results"], _lines(ranking, page))
        ids = ranking.entry_ids[page]
        asked = {"crucible": crucible_id, "first": ids[0], "last": ids[-1]}
        written += int(session.run(_STATEMENTS["write_results"], asked)[0][0])
        session.run(_STATEMENTS["forget_results"])
    return written


def set_status(session: Session, crucible_id: int, status: str) -> None:
    """Write how a crucible ended into the site's own row of it."""
    session.run(_STATEMENTS["set_status"], status, crucible_id)


def _lines(ranking: Ranking, page: slice) -> Iterator[str]:
    lines = []
    columns = (ranking.entry_ids, ranking.scores, ranking.votes, ranking.positions)
    for entry, score, votes, position in zip(*(column[page] for column in columns), strict=True):
        lines.append(f"{entry}\t{score}\t{votes}\t{position or NO_POSITION}\n")
        if len(lines) == LINES_AT_ONCE:
            yield "".join(lines)
            lines.clear()
    yield "".join(lines)
