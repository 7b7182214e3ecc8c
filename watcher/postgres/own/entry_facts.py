"""What decides about entries, read in one question however many they are."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final, NamedTuple

from watcher.model.entry_decision import EntryCandidate, EntryFee, FeeSource
from watcher.model.entry_rules import CrucibleRules, EntryFacts, EntryImage, Payment
from watcher.model.entry_verdict import EntryReason, Verdict, VerdictState
from watcher.postgres.moments import MOMENTS
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "entry_facts.sql", constants=MOMENTS)
RULE_COLUMNS: Final = 8
"""Columns of the fragment ``rule_columns``."""
_ENTRIES_OF: Final = "entries of "


class FoundEntry(NamedTuple):
    """An entry to be decided."""

    candidate: EntryCandidate
    digest: int
    """Of everything of the entry and its image that decides."""


def lock_crucible(session: Session, crucible_id: int) -> None:
    """Lock a crucible: nobody else decides about its entries until the end of the transaction."""
    session.lock(f"{_ENTRIES_OF}{crucible_id}")


def lock_crucibles_of(session: Session, entry_ids: Sequence[int], crucible_ids: Sequence[int] = ()) -> list[int]:
    """Return the crucibles of some entries, and these besides, each locked as :func:`lock_crucible` does it."""
    rows = session.run(_STATEMENTS["lock_crucibles"], _locks(session, entry_ids, crucible_ids))
    return [crucible_id for crucible_id, _ in rows]


def await_others(session: Session, crucible_ids: Sequence[int]) -> None:
    """Wait until whoever decides about entries of some crucibles just now has written the verdicts."""
    with session.together():
        session.later(_STATEMENTS["lock_crucibles"], _locks(session, (), crucible_ids))


def _locks(session: Session, entry_ids: Sequence[int], crucible_ids: Sequence[int]) -> dict[str, object]:
    prefix = f"crucible {session.schema} {_ENTRIES_OF}"
    return {"entries": list(entry_ids), "crucibles": list(crucible_ids), "prefix": prefix}


def rules_from(columns: Sequence[Any]) -> CrucibleRules:
    """Return what a crucible says of entering it, from the fragment ``rule_columns``."""
    status, level, start, end, fee, limit, most, allowed = columns
    return CrucibleRules(
        status=status, nsfw_level=level, start_ms=start, end_ms=end, entry_fee=fee, entry_limit=limit,
        max_total_entries=most, allowed_resources=allowed,
    )  # fmt: skip


def facts(session: Session, crucible_ids: Sequence[int], entry_ids: Sequence[int], *, again: bool) -> list[FoundEntry]:
    """Return entries to be decided, crucible by crucible in the order in which they came.

    Args:
        session: a connection.
        crucible_ids: entries of other crucibles are left out.
        entry_ids: which.
        again: also those that were decided with the same facts.
    """
    rows = session.run(
        _STATEMENTS["entry_facts"], {"entries": list(entry_ids), "crucibles": list(crucible_ids), "again": again}
    )
    rules: dict[int, CrucibleRules] = {}
    for crucible_id, _, *columns in rows:
        if crucible_id not in rules:
            rules[crucible_id] = rules_from(columns[:RULE_COLUMNS])
    return [
        FoundEntry(candidate_from(crucible_id, rules[crucible_id], columns[RULE_COLUMNS:]), digest)
        for crucible_id, digest, *columns in rows
    ]


def vanished(
    session: Session, crucible_ids: Sequence[int], entry_ids: Sequence[int], *, another: bool = False
) -> list[EntryCandidate]:
    """Return those of some entries whose row is gone, and whose crucible had not ended.

    Args:
        session: a connection.
        crucible_ids: entries with verdicts of other crucibles are left out.
        entry_ids: which.
        another: their rows are gone as the caller knows, and those that are there are other entries with their ids.
    """
    asked = {"entries": list(entry_ids), "crucibles": list(crucible_ids), "another": another}
    rows = session.run(_STATEMENTS["vanished_facts"], asked)
    return [
        EntryCandidate(
            entry_id=entry, crucible_id=crucible, image_id=image,
            facts=EntryFacts(user_id=user, created_ms=created, crucible=None, image=None),
            fee=_fee(fee), before=_verdict(state, reasons),
        )
        for entry, crucible, user, image, created, state, reasons, *fee in rows
    ]  # fmt: skip


def candidate_from(crucible_id: int, crucible: CrucibleRules | None, row: Sequence[Any]) -> EntryCandidate:
    """Return an entry to be decided, from the fragment ``fact_columns``, the places taken, and whether it competes."""
    entry, user, image, created, site_prefix, owner, level, ingestion, kind, blocked, resources = row[:11]
    image_before, crucible_before, user_before, created_before, enforced = row[17:22]
    earlier_of_user, earlier_of_image, earlier_in_all, competes = row[22:26]
    seen = None
    if owner is not None:
        seen = EntryImage(
            user_id=owner, nsfw_level=level, ingestion=ingestion, type=kind, blocked_for=blocked,
            resources=frozenset(resources),
        )  # fmt: skip
    return EntryCandidate(
        entry_id=entry, crucible_id=crucible_id, image_id=image,
        facts=EntryFacts(
            user_id=user, created_ms=created, crucible=crucible, image=seen, earlier_of_user=earlier_of_user,
            earlier_in_all=earlier_in_all,
        ),
        earlier_of_image=earlier_of_image, site_prefix=site_prefix or None, fee=_fee(row[11:15]),
        before=_verdict(*row[15:17]), image_before=image_before, crucible_before=crucible_before,
        user_before=user_before, created_before_ms=created_before,
        enforced_before=enforced is not False, competes=competes,
    )  # fmt: skip


def _fee(columns: Sequence[Any]) -> EntryFee | None:
    prefix, source, payment, collected = columns
    return None if prefix is None else EntryFee(prefix, FeeSource(source), Payment(payment), collected)


def _verdict(state: str | None, reasons: Sequence[str] | None) -> Verdict | None:
    if state is None:
        return None
    return Verdict(VerdictState(state), tuple(EntryReason(reason) for reason in reasons or ()))
