"""Scores of crucibles that go on, written into the site's own table."""

from collections.abc import Sequence
from typing import Final

from watcher.postgres.session import Session
from watcher.postgres.site.statements import site_statements

_STATEMENTS: Final = site_statements("checkpoints.sql")


def write_scores(session: Session, crucible_id: int, entries: Sequence[tuple[int, int, int]]) -> int | None:
    """Write ratings and numbers of votes of entries, where the site has others.

    Args:
        session: as the role that settles.
        crucible_id: whose entries; nothing is written unless it is active.
        entries: entry, rating and votes of each.

    Returns:
        How many rows were written; None: the crucible's end was acted upon, and scores are its result's from then on.

    Raises:
        TemporaryError: PostgreSQL is away; nothing is written.
        PostgresRefusedError: a right is missing.
    """
    with session.together():
        # A statement of its own: the next one sees what was committed while this one waited.
        if not session.run(_STATEMENTS["lock_before_its_end"], crucible_id):
            return None
        ids, scores, votes = (list(column) for column in zip(*entries, strict=True)) if entries else ([], [], [])
        asked = {"crucible": crucible_id, "entries": ids, "scores": scores, "votes": votes}
        return int(session.run(_STATEMENTS["write_scores"], asked)[0][0])
