"""Results, written into the site's own tables. Beside these, only checkpoints of scores change any of them."""

from collections.abc import Iterator
from typing import Final

import msgspec

from watcher.model.final_ranking import EnteredEntries, Ranking
from watcher.model.settlement import Crucible
from watcher.postgres.session import Session
from watcher.postgres.site.statements import site_statements

_STATEMENTS: Final = site_statements("results.sql")
LINES_AT_ONCE: Final = 10_000
"""Lines of one message. More: more memory; fewer: more calls."""
NO_POSITION: Final = r"\N"


class LockedCrucible(msgspec.Struct, frozen=True):
    """A crucible's row, which stays so until the end of the transaction."""

    now: Crucible
    prize_positions: str | None
    """JSON of the column."""
    entry_fee: int
    """Buzz."""


def lock_crucible(session: Session, crucible_id: int) -> LockedCrucible | None:
    """Return a crucible's row, which nobody else changes until the end of the transaction; None if there is none."""
    rows = session.run(_STATEMENTS["lock_crucible"], crucible_id)
    if not rows:
        return None
    status, is_over, prizes, fee = rows[0]
    return LockedCrucible(Crucible(status, is_over), prizes, fee)


def entered(session: Session, crucible_id: int, *, undecided: bool) -> EnteredEntries:
    """Return the entries of a crucible as they are now.

    Args:
        session: within a transaction.
        crucible_id: whose entries.
        undecided: whether an entry takes part about which nothing was decided.
    """
    rows = session.copy_out(_STATEMENTS["entered"], {"crucible": crucible_id, "undecided": undecided})
    return EnteredEntries.of((int(entry), int(user), int(made), placed == "1") for entry, user, made, placed in rows)


def write_results(session: Session, crucible_id: int, ranking: Ranking) -> int:
    """Write score, number of votes and position of each entry; return how many of them were still there.

    Args:
        session: within a transaction.
        crucible_id: whose entries.
        ranking: of them.
    """
    session.run(_STATEMENTS["make_results"])
    session.copy_in(_STATEMENTS["fill_results"], _lines(ranking))
    return int(session.run(_STATEMENTS["write_results"], crucible_id)[0][0])


def set_status(session: Session, crucible_id: int, status: str) -> None:
    """Have the site see how a crucible ended."""
    session.run(_STATEMENTS["set_status"], status, crucible_id)


def _lines(ranking: Ranking) -> Iterator[str]:
    lines = []
    columns = zip(ranking.entry_ids, ranking.scores, ranking.votes, ranking.positions, strict=True)
    for entry, score, votes, position in columns:
        lines.append(f"{entry}\t{score}\t{votes}\t{position or NO_POSITION}\n")
        if len(lines) == LINES_AT_ONCE:
            yield "".join(lines)
            lines.clear()
    yield "".join(lines)
