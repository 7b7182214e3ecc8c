"""Verdicts of entries: writes what was decided, and reads how an entry stands."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

import msgspec

from watcher.model.decided_by import SEVERAL, DecidedBy
from watcher.model.entry_decision import Decision, EntryFee
from watcher.model.entry_rules import Payment
from watcher.model.entry_verdict import VerdictState
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(
    files("watcher.postgres.own"), "entry_verdict.sql", constants={"SEVERAL": SEVERAL}
)


def write(
    session: Session,
    decisions: Iterable[Decision],
    by: str,
    *,
    digests: Mapping[int, int] | None = None,
    rules: Mapping[int, DecidedBy] | None = None,
) -> set[int]:
    """Write what was decided, within the caller's transaction; a verdict that stays the same writes nothing.

    Args:
        session: a connection.
        decisions: what to write.
        by: the role that decided.
        digests: what entries were decided with, to be remembered.
        rules: by which entries of crucibles were decided.

    Returns:
        Entries whose fee is another's after all: somebody who had read the same was faster.
    """
    decided = list(decisions)
    new = [one for one in decided if one.is_new]
    digests = digests or {}
    if new or digests:
        session.later(
            _STATEMENTS["write_verdicts"],
            {
                "by": by, "verdicts": _json(_row(one) for one in new), "entries": list(digests),
                "digests": list(digests.values()),
                "rules": _json({"crucible_id": number, **by._asdict()} for number, by in (rules or {}).items()),
            },
        )  # fmt: skip
    fees = {one.candidate.entry_id: _asked(one, fee) for one in decided if (fee := one.noted) is not None}
    if not fees:
        return set()
    return fees.keys() - {entry for (entry,) in session.run(_STATEMENTS["ask_fees"], _json(fees.values()))}


def settle_fee(session: Session, entry_id: int, payment: Payment, collected: int) -> bool:
    """Write down what a fee came to; return whether somebody had asked for it."""
    return bool(session.run(_STATEMENTS["settle_fee"], payment.value, collected, entry_id))


def collected_under(session: Session, prefix: str) -> int:
    """Return the Buzz that are known to have been collected for an entry under a prefix; 0 if none are."""
    rows = session.read(_STATEMENTS["collected_under"], prefix)
    return int(rows[0][0]) if rows else 0


def take_part(session: Session, crucible_id: int, entry_ids: Sequence[int]) -> dict[int, bool]:
    """Return whether each of a crucible's entries takes part; one about which nothing was decided there is missing."""
    return dict(session.read(_STATEMENTS["take_part"], crucible_id, list(entry_ids)))


def state_of(session: Session, entry_id: int) -> VerdictState | None:
    """Return how an entry stands; None if nothing was decided."""
    rows = session.run(_STATEMENTS["verdict_state"], entry_id)
    return VerdictState(rows[0][0]) if rows else None


def waiting_age(session: Session) -> tuple[int, float]:
    """Return how many entries wait, and for how many seconds the oldest has."""
    ((count, seconds),) = session.run(_STATEMENTS["waiting_age"])
    return count, seconds


def _row(one: Decision) -> Mapping[str, Any]:
    return {
        "entry_id": one.candidate.entry_id, "crucible_id": one.candidate.crucible_id,
        "user_id": one.candidate.facts.user_id, "image_id": one.candidate.image_id, "verdict": one.verdict.state,
        "reasons": one.verdict.reasons, "enforced": one.enforced, "fee": one.fee,
        "entered_ms": one.candidate.facts.created_ms,
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
