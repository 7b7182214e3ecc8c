"""Entries and their verdicts: what decides about a page of them, in one question, and what was decided."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final, NamedTuple

import msgspec

from watcher.model.entry_decision import Candidate, Decision, EntryFee, FeeSource
from watcher.model.entry_rules import CrucibleRules, EntryFacts, EntryImage, Payment
from watcher.model.entry_verdict import EntryReason, Verdict, VerdictState
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "entry_verdict.sql")
START: Final = (0, "-infinity", 0)
"""The place before all entries of all crucibles: crucible, when an entry was made, and its id."""
GONE: Final = "gone"
"""What stands for the status of a crucible that was deleted."""
RULE_COLUMNS: Final = 8
"""Columns of the fragment ``rule_columns``."""
_ENTRIES_OF: Final = "entries of "


class Found(NamedTuple):
    """An entry to be decided."""

    candidate: Candidate
    digest: int
    """Of everything of the entry and its image that decides."""


class CrucibleToDecide(NamedTuple):
    """A crucible whose entries may lack a verdict or get another one."""

    crucible_id: int
    rules: CrucibleRules | None
    """None: it was deleted."""
    decided_by: int | None
    """Digest of the rules by which its entries were decided; None: none of them was."""

    @property
    def status(self) -> str:
        """Return the status to be remembered."""
        return GONE if self.rules is None else self.rules.status


def lock_crucible(session: Session, crucible_id: int) -> None:
    """Return once nobody else decides about a crucible's entries; within a transaction, and until its end."""
    session.lock(f"{_ENTRIES_OF}{crucible_id}")


def lock_crucibles_of(session: Session, entry_ids: Sequence[int]) -> list[int]:
    """Return the crucibles of some entries, each locked as :func:`lock_crucible` does it."""
    prefix = f"crucible {session.schema} {_ENTRIES_OF}"
    rows = session.run(_STATEMENTS["lock_crucibles"], {"entries": list(entry_ids), "prefix": prefix})
    return [crucible_id for crucible_id, _ in rows]


def rules_from(columns: Sequence[Any]) -> CrucibleRules:
    """Return what a crucible says of entering it, from the fragment ``rule_columns``."""
    status, level, start, end, fee, limit, most, allowed = columns
    return CrucibleRules(
        status=status, nsfw_level=level, start_ms=start, end_ms=end, entry_fee=fee, entry_limit=limit,
        max_total_entries=most, allowed_resources=allowed,
    )  # fmt: skip


def facts(session: Session, crucible_ids: Sequence[int], entry_ids: Sequence[int], *, again: bool) -> list[Found]:
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
        Found(candidate_from(crucible_id, rules[crucible_id], columns[RULE_COLUMNS:]), digest)
        for crucible_id, digest, *columns in rows
    ]


def vanished(session: Session, entry_ids: Sequence[int]) -> list[Candidate]:
    """Return those of some entries whose row is gone, and whose crucible had not ended."""
    rows = session.run(_STATEMENTS["vanished_facts"], list(entry_ids))
    return [
        Candidate(
            entry_id=entry, crucible_id=crucible, image_id=image,
            facts=EntryFacts(user_id=user, created_ms=created, crucible=None, image=None),
            fee=_fee(fee), before=_verdict(state, reasons),
        )
        for entry, crucible, user, image, created, state, reasons, *fee in rows
    ]  # fmt: skip


def crucibles_to_decide(session: Session, crucible_ids: Iterable[int] | None = None) -> list[CrucibleToDecide]:
    """Return the crucibles whose entries may get a verdict or another one; of these only, if some are named."""
    told = None if crucible_ids is None else list(crucible_ids)
    return [
        CrucibleToDecide(crucible_id, rules_from(columns) if there else None, decided_by)
        for crucible_id, decided_by, there, *columns in session.run(
            _STATEMENTS["crucibles_to_decide"], {"crucibles": told}
        )
    ]


def changed_entries(session: Session, crucible_ids: Sequence[int], most: int) -> Iterator[list[int]]:
    """Yield the entries of some crucibles that were never decided or with something else in mind, page by page.

    Args:
        session: a connection.
        crucible_ids: whose entries.
        most: entries that one statement looks at.
    """
    after: int | None = 0
    while after is not None:
        ((after, changed),) = session.run(
            _STATEMENTS["changed_entries"], {"crucibles": list(crucible_ids), "after": after, "most": most}
        )
        if changed:
            yield changed


def decided_entries(session: Session, crucible_ids: Sequence[int], most: int) -> Iterator[list[int]]:
    """Yield the entries of some crucibles that have a verdict, page by page, in the order in which they came."""
    crucible, time, entry = START
    while True:
        rows = session.run(
            _STATEMENTS["decided_entries"],
            {
                "crucibles": list(crucible_ids), "after_crucible": crucible, "after_time": time, "after_id": entry,
                "most": most,
            },
        )  # fmt: skip
        if rows:
            yield [entry for _, _, entry in rows]
        if len(rows) < most:
            return
        crucible, time, entry = rows[-1]


def waiting_entries(session: Session, crucible_ids: Sequence[int]) -> list[int]:
    """Return the entries of some crucibles that wait, in the order in which they came."""
    return [entry for (entry,) in session.run(_STATEMENTS["waiting_entries"], {"crucibles": list(crucible_ids)})]


def ripe_entries(session: Session) -> list[int]:
    """Return the entries that need not wait any more: for a scan that is there, or a fee that is another entry's."""
    return [entry for (entry,) in session.run(_STATEMENTS["ripe_entries"])]


def vanished_of(session: Session, crucible_ids: Sequence[int], most: int) -> list[int]:
    """Return entries of some crucibles that hold a place and whose row is gone."""
    rows = session.run(_STATEMENTS["vanished_of"], {"crucibles": list(crucible_ids), "most": most})
    return [entry for (entry,) in rows]


def without_a_place(
    session: Session, crucible_ids: Iterable[int], user_ids: Iterable[int], image_ids: Iterable[int], most: int
) -> list[int]:
    """Return entries that were rejected for want of a place and may get one that is free now.

    Args:
        session: a connection.
        crucible_ids: where places have become free.
        user_ids: whose entries held them.
        image_ids: of those entries.
        most: entries.
    """
    rows = session.run(
        _STATEMENTS["without_a_place"],
        {"crucibles": list(crucible_ids), "users": list(user_ids), "images": list(image_ids), "most": most},
    )
    return [entry for (entry,) in rows]


def write(
    session: Session,
    decisions: Iterable[Decision],
    by: str,
    digests: Mapping[int, int] | None = None,
    firsts: Mapping[int, tuple[str, int]] | None = None,
) -> None:
    """Write what was decided, within the caller's transaction; a verdict that stays the same writes nothing.

    Args:
        session: a connection.
        decisions: what to write.
        by: the role that decided.
        digests: what entries were decided with, to be remembered.
        firsts: status and digest of the rules of crucibles, to be remembered of those that had no entry decided yet.
    """
    new = [one for one in decisions if one.is_new]
    digests, firsts = digests or {}, firsts or {}
    if not new and not digests:
        return
    session.run(
        _STATEMENTS["write_verdicts"],
        {
            "by": by, "verdicts": _json(_row(one) for one in new), "entries": list(digests),
            "digests": list(digests.values()),
            "firsts": _crucible_rows(firsts),
        },
    )  # fmt: skip
    fees = [_asked(one, fee) for one in new if (fee := one.noted) is not None]
    if fees:
        session.run(_STATEMENTS["ask_fees"], _json(fees))


def note_crucibles(session: Session, crucibles: Mapping[int, tuple[str, int]]) -> None:
    """Remember by which rules all entries of some crucibles were decided: status and digest of each."""
    session.run(_STATEMENTS["note_crucibles"], _crucible_rows(crucibles))


def settle_fee(session: Session, entry_id: int, payment: Payment, collected: int) -> bool:
    """Write down what a fee came to; return whether somebody had asked for it."""
    return bool(session.run(_STATEMENTS["settle_fee"], payment.value, collected, entry_id))


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


def candidate_from(crucible_id: int, crucible: CrucibleRules | None, row: Sequence[Any]) -> Candidate:
    """Return an entry to be decided, from the fragment ``fact_columns`` and the places taken in its crucible."""
    entry, user, image, created, site_prefix, owner, level, ingestion, kind, blocked, resources = row[:11]
    image_before, crucible_before, user_before, enforced, earlier_of_user, earlier_of_image, earlier_in_all = row[17:24]
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
        before=_verdict(*row[15:17]), image_before=image_before, crucible_before=crucible_before,
        user_before=user_before, enforced_before=enforced is not False,
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
        "facts": {"facts": one.facts, "earlier_of_image": one.candidate.earlier_of_image, "fee": one.candidate.fee},
    }  # fmt: skip


def _crucible_rows(crucibles: Mapping[int, tuple[str, int]]) -> str:
    return _json(
        {"crucible_id": number, "status": status, "rules_digest": digest}
        for number, (status, digest) in crucibles.items()
    )


def _asked(one: Decision, fee: EntryFee) -> Mapping[str, Any]:
    return {
        "entry_id": one.candidate.entry_id, "crucible_id": one.candidate.crucible_id,
        "user_id": one.candidate.facts.user_id, "prefix": fee.prefix, "source": fee.source,
        "payment": fee.payment,
    }  # fmt: skip


def _json(rows: Iterable[Any]) -> str:
    return msgspec.json.encode(list(rows)).decode()
