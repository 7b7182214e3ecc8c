"""What entrants ask about entries: whether an image would get in, and how their own entries stand."""

from importlib.resources import files
from typing import Any, Final

import msgspec

from watcher.model.entry_decision import EntryCandidate
from watcher.model.entry_verdict import EntryReason, VerdictState
from watcher.postgres.moments import MOMENTS
from watcher.postgres.own.entry_facts import RULE_COLUMNS, candidate_from, rules_from
from watcher.postgres.pool import Fetch
from watcher.postgres.statement import quoted
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(
    files("watcher.postgres.own"), "entry_facts.sql", "entry_questions.sql", constants=MOMENTS
)


class OwnEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry as its entrant sees it."""

    entry_id: int
    image_id: int
    state: VerdictState | None
    """None: nothing was decided yet."""
    reasons: tuple[EntryReason, ...]
    fee: int
    """Buzz that was collected for it and is kept; 0 unless it is admitted."""
    waiting_ms: int | None
    """Since when it waits, in milliseconds since 1970; None if it does not."""


class EntryQuestions:
    """Reads what decides about entries; every method raises ``TemporaryError`` while PostgreSQL is away.

    Args:
        fetch: reads the site's database, ``SitePool.fetch``.
        schema: the watcher's own.
    """

    def __init__(self, fetch: Fetch, schema: str) -> None:
        self._fetch, self._schema = fetch, quoted(schema)

    async def hypothetical(self, crucible_id: int, user_id: int, image_id: int) -> EntryCandidate | None:
        """Return an entry that nobody has made, as if it were made now; None if there is no such crucible."""
        rows = await self._ask("hypothetical_entry", crucible=crucible_id, user=user_id, image=image_id)
        if not rows:
            return None
        columns = list(rows[0].values())
        return candidate_from(crucible_id, rules_from(columns[:RULE_COLUMNS]), columns[RULE_COLUMNS:])

    async def entries_of(self, crucible_id: int, user_id: int, most: int) -> list[OwnEntry] | None:
        """Return the newest entries of a user in a crucible, newest first; None if there is no such crucible.

        Args:
            crucible_id: whose entries.
            user_id: who entered.
            most: entries at most.
        """
        rows = await self._ask("entries_of_user", crucible=crucible_id, user=user_id, most=most)
        return [_own_entry(row) for row in rows if row["entry_id"] is not None] if rows else None

    async def _ask(self, statement: str, **parameters: int) -> list[dict[str, Any]]:
        return await self._fetch(_STATEMENTS[statement].replace("{schema}", self._schema), parameters)


def _own_entry(row: dict[str, Any]) -> OwnEntry:
    state = row["verdict"]
    return OwnEntry(
        entry_id=row["entry_id"],
        image_id=row["image_id"],
        state=None if state is None else VerdictState(state),
        reasons=tuple(EntryReason(reason) for reason in row["reasons"] or ()),
        fee=row["fee"],
        waiting_ms=row["waiting_ms"],
    )
