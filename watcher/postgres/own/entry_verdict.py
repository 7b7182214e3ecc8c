"""Entries and their verdicts: what decides about a page of them, in one question, and what was decided."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

import msgspec

from watcher.model.entry_decision import Candidate, Decision, EntryFee, FeeSource
from watcher.model.entry_rules import CrucibleRules, EntryFacts, EntryImage, Payment
from watcher.model.entry_verdict import EntryReason, Verdict, VerdictState
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "entry_verdict.sql")
START: Final = ("-infinity", 0)
"""The place before the first entry of a crucible."""

Place = tuple[str, int]
"""An entry's place in its crucible's order: when it was made, as text, and its id."""


def lock(session: Session, crucible_id: int) -> None:
    """Return once nobody else decides about the crucible's entries; within a transaction, and until its end."""
    session.lock(f"entries of {crucible_id}")


def rules(session: Session, crucible_id: int) -> CrucibleRules | None:
    """Return what a crucible says of entering it; None if there is no such crucible."""
    rows = session.run(_STATEMENTS["crucible_rules"], crucible_id)
    return rules_from(rows[0]) if rows else None


def rules_from(columns: Sequence[Any]) -> CrucibleRules:
    """Return what a crucible says of entering it, from the fragment ``rule_columns``."""
    status, level, start, end, fee, limit, most, allowed = columns
    return CrucibleRules(
        status=status, nsfw_level=level, start_ms=start, end_ms=end, entry_fee=fee, entry_limit=limit,
        max_total_entries=most, allowed_resources=allowed,
    )  # fmt: skip


def undecided(session: Session, crucible_id: int, crucible: CrucibleRules | None, most: int) -> list[Candidate]:
    """Return the next entries without a verdict, in the order in which they came."""
    return _page(session, "undecided_page", crucible_id, crucible, most=most)


def waiting(
    session: Session, crucible_id: int, crucible: CrucibleRules | None, after: Place, most: int
) -> list[Candidate]:
    """Return a page of the entries that wait, in the order in which they came."""
    return _page(session, "waiting_page", crucible_id, crucible, after_time=after[0], after_id=after[1], most=most)


def decided(
    session: Session, crucible_id: int, crucible: CrucibleRules | None, after: Place, most: int
) -> list[Candidate]:
    """Return a page of the entries that have a verdict, in the order in which they came."""
    return _page(session, "decided_page", crucible_id, crucible, after_time=after[0], after_id=after[1], most=most)


def named(
    session: Session, crucible_id: int, crucible: CrucibleRules | None, entry_ids: Sequence[int]
) -> list[Candidate]:
    """Return some entries of a crucible, in the order in which they came."""
    return _page(session, "named_page", crucible_id, crucible, entries=list(entry_ids))


def vanished(session: Session, crucible_id: int | None, most: int) -> list[Candidate]:
    """Return entries with a verdict whose row is gone, and whose crucible had not ended.

    Args:
        session: a connection.
        crucible_id: of one crucible; None: of any.
        most: entries.
    """
    rows = session.run(_STATEMENTS["vanished_page"], {"crucible": crucible_id, "most": most})
    return [
        Candidate(
            entry_id=entry, crucible_id=crucible, image_id=image,
            facts=EntryFacts(user_id=user, created_ms=created, crucible=None, image=None),
            fee=_fee(fee), before=_verdict(state, reasons),
        )
        for entry, crucible, user, image, created, state, reasons, *fee in rows
    ]  # fmt: skip


def crucibles_to_decide(session: Session) -> list[tuple[int, str]]:
    """Return ids and statuses of the crucibles whose entries may get another verdict."""
    return [(number, status) for number, status in session.run(_STATEMENTS["crucibles_to_decide"])]


def crucibles_undecided(session: Session) -> list[int]:
    """Return ids of the active crucibles with an entry that has no verdict."""
    return [number for (number,) in session.run(_STATEMENTS["crucibles_undecided"])]


def undecided_among(session: Session, crucible_ids: Iterable[int]) -> set[int]:
    """Return those of the crucibles that have an entry without a verdict."""
    return _among(session, "undecided_among", crucible_ids)


def decided_among(session: Session, crucible_ids: Iterable[int]) -> set[int]:
    """Return those of the crucibles that have an entry with a verdict."""
    return _among(session, "decided_among", crucible_ids)


def _among(session: Session, statement: str, crucible_ids: Iterable[int]) -> set[int]:
    told = list(crucible_ids)
    return {one for (one,) in session.run(_STATEMENTS[statement], {"crucibles": told})} if told else set()


def crucibles_scanned(session: Session) -> list[int]:
    """Return ids of the crucibles with entries that wait for a scan that is there now."""
    return [number for (number,) in session.run(_STATEMENTS["crucibles_waiting"])]


def write(session: Session, decisions: Iterable[Decision], by: str) -> None:
    """Write what was decided, within the caller's transaction; a verdict that stays the same writes nothing.

    Args:
        session: a connection.
        decisions: what to write.
        by: the role that decided.
    """
    new = [one for one in decisions if one.is_new]
    if not new:
        return
    session.run(_STATEMENTS["write_verdicts"], _json(_row(one) for one in new))
    session.run(_STATEMENTS["write_decisions"], by, _json(_logged(one) for one in new))
    fees = [_asked(one, fee) for one in new if (fee := one.noted) is not None]
    if fees:
        session.run(_STATEMENTS["ask_fees"], _json(fees))


def note_crucible(session: Session, crucible_id: int, status: str) -> None:
    """Remember the status with which a crucible's entries were decided."""
    session.run(_STATEMENTS["note_crucible"], crucible_id, status)


def settle_fee(session: Session, entry_id: int, payment: Payment, collected: int) -> int | None:
    """Write down what a fee came to; return the entry's crucible, None if nobody had asked for the fee."""
    rows = session.run(_STATEMENTS["settle_fee"], payment.value, collected, entry_id)
    return int(rows[0][0]) if rows else None


def take_part(session: Session, entry_ids: Sequence[int]) -> dict[int, bool]:
    """Return whether each of some entries takes part; one about which nothing was decided is missing."""
    return dict(session.read(_STATEMENTS["take_part"], list(entry_ids)))


def state_of(session: Session, entry_id: int) -> VerdictState | None:
    """Return how an entry stands; None if nothing was decided."""
    rows = session.run(_STATEMENTS["verdict_state"], entry_id)
    return VerdictState(rows[0][0]) if rows else None


def waiting_age(session: Session) -> tuple[int, float]:
    """Return how many entries wait, and for how many seconds the oldest has."""
    ((count, seconds),) = session.run(_STATEMENTS["waiting_age"])
    return count, seconds


def _page(
    session: Session, statement: str, crucible_id: int, crucible: CrucibleRules | None, **parameters: Any
) -> list[Candidate]:
    limited = crucible is not None and crucible.max_total_entries is not None
    rows = session.run(_STATEMENTS[statement], {"crucible": crucible_id, "limited": limited, **parameters})
    return [candidate_from(crucible_id, crucible, row) for row in rows]


def candidate_from(crucible_id: int, crucible: CrucibleRules | None, row: Sequence[Any]) -> Candidate:
    """Return an entry to be decided, from the fragment ``fact_columns`` and the places taken in its crucible."""
    entry, user, image, created, site_prefix, owner, level, ingestion, kind, blocked, resources = row[:11]
    image_before, enforced, earlier_of_user, earlier_of_image, earlier_in_all = row[17:22]
    seen = None
    if owner is not None:
        seen = EntryImage(
            user_id=owner, nsfw_level=level, ingestion=ingestion, type=kind, blocked_for=blocked,
            resources=frozenset(resources),
        )  # fmt: skip
    return Candidate(
        entry_id=entry, crucible_id=crucible_id, image_id=image,
        facts=EntryFacts(
            user_id=user, created_ms=created, crucible=crucible, image=seen, earlier_of_user=earlier_of_user,
            earlier_in_all=earlier_in_all,
        ),
        earlier_of_image=earlier_of_image, site_prefix=site_prefix or None, fee=_fee(row[11:15]),
        before=_verdict(*row[15:17]), image_before=image_before, enforced_before=enforced is not False,
    )  # fmt: skip


def _fee(columns: Sequence[Any]) -> EntryFee | None:
    prefix, source, payment, collected = columns
    return None if prefix is None else EntryFee(prefix, FeeSource(source), Payment(payment), collected)


def _verdict(state: str | None, reasons: Sequence[str] | None) -> Verdict | None:
    if state is None:
        return None
    return Verdict(VerdictState(state), tuple(EntryReason(reason) for reason in reasons or ()))


def _row(one: Decision) -> Mapping[str, Any]:
    return {
        "entry_id": one.candidate.entry_id, "crucible_id": one.candidate.crucible_id,
        "user_id": one.candidate.facts.user_id, "image_id": one.candidate.image_id, "verdict": one.verdict.state,
        "reasons": one.verdict.reasons, "enforced": one.enforced, "fee": one.fee,
        "entered_ms": one.candidate.facts.created_ms,
    }  # fmt: skip


def _logged(one: Decision) -> Mapping[str, Any]:
    return {
        "entry_id": one.candidate.entry_id, "verdict": one.verdict.state, "reasons": one.verdict.reasons,
        "facts": {"facts": one.facts, "earlier_of_image": one.candidate.earlier_of_image, "fee": one.candidate.fee},
    }  # fmt: skip


def _asked(one: Decision, fee: EntryFee) -> Mapping[str, Any]:
    return {
        "entry_id": one.candidate.entry_id, "crucible_id": one.candidate.crucible_id,
        "user_id": one.candidate.facts.user_id, "prefix": fee.prefix, "source": fee.source,
        "payment": fee.payment,
    }  # fmt: skip


def _json(rows: Iterable[Any]) -> str:
    return msgspec.json.encode(list(rows)).decode()
