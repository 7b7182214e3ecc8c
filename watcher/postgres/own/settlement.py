"""Endings: one row a crucible, its log of steps, and its prizes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any, Final

import msgspec

from watcher.model.settlement import (
    LEASE_SECONDS,
    LONGEST_WAIT_SECONDS,
    CrucibleNow,
    FinalStanding,
    Refunded,
    SettlementState,
)
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "settlement.sql")


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """An ending, as whoever goes on with it needs it."""

    crucible_id: int
    state: SettlementState
    name: str
    """Of the crucible, as its row said last; so the next two."""
    creator_id: int
    setup_prefix: str | None
    """Beginning of the external transaction ids of the fee for setting it up; None: there was none."""
    attempts: int
    """Failures in a row, each because a neighbour was away."""
    frozen_at: datetime | None
    digest: str | None
    """Proof of the result; None: it is not proven yet."""
    votes: int | None
    frozen_seconds: float
    """How long ago it was frozen, by the database's clock."""
    claimed_by: str | None
    """Whose it is."""


class WaitingEndings(msgspec.Struct, frozen=True):
    """How many endings are in a state."""

    state: SettlementState
    settlements: int
    oldest_seconds: float


def note_crucibles(session: Session) -> None:
    """Write a row for every crucible with an end to come, saying what the crucible's own row says."""
    session.run(_STATEMENTS["note_crucibles"])
    if session.read(_STATEMENTS["left_crucibles_are_noted"], session.schema) == [(True,)]:
        session.run(_STATEMENTS["note_left_crucibles"])


def next_due_seconds(session: Session) -> float | None:
    """Return the seconds until the next end, 0 or less if it has come; None if none is to come."""
    due: float | None = session.read(_STATEMENTS["next_due"])[0][0]
    return due


def claim(session: Session, owner: str, crucible_id: int | None = None) -> Settlement | None:
    """Return an ending that is to go on now and is the owner's from here on; None if there is none.

    Args:
        session: the call commits by itself.
        owner: of it, until the lease is over.
        crucible_id: this one alone, however long it was to wait.
    """
    asked = {
        "owner": owner, "lease": LEASE_SECONDS, "longest_wait": LONGEST_WAIT_SECONDS, "crucible": crucible_id,
    }  # fmt: skip
    rows = session.run(_STATEMENTS["claim"], asked)
    return _settlement(rows[0]) if rows else None


def load(session: Session, crucible_id: int) -> Settlement | None:
    """Return an ending as it is now; None if there is none."""
    rows = session.run(_STATEMENTS["load"], crucible_id)
    return _settlement(rows[0]) if rows else None


def crucible_now(session: Session, crucible_id: int) -> CrucibleNow | None:
    """Return what a crucible's row says; None if there is none."""
    rows = session.run(_STATEMENTS["crucible_now"], crucible_id)
    return CrucibleNow(*rows[0]) if rows else None


class StepResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a step came to, to be written with the state that it leads to; None leaves what is there."""

    reason: str | None = None
    """Of a parked one."""
    epoch: int | None = None
    seq: int | None = None
    digest: str | None = None
    votes: int | None = None
    entries: int | None = None
    placed: int | None = None
    pool: int | None = None
    paid: int | None = None
    remainder: int | None = None
    payouts: str | None = None
    refunded: int | None = None

    def details(self) -> dict[str, Any]:
        """Return what is told, for the log."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}


def move(session: Session, one: Settlement, to: SettlementState, written: StepResult) -> Settlement | None:
    """Write that an ending has come to its next state, within the caller's transaction.

    Returns:
        The ending as it is then; None if it is in another state, or proven otherwise, because somebody was faster: then
        nothing may be written that follows from the step.
    """
    asked: dict[str, Any] = {
        **msgspec.structs.asdict(written), "crucible": one.crucible_id, "from": one.state.value, "to": to.value,
        "owner": one.claimed_by, "lease": LEASE_SECONDS, "proof": one.digest,
    }  # fmt: skip
    rows = session.run(_STATEMENTS["move"], asked)
    if not rows:
        return None
    add_step(session, one.crucible_id, one.claimed_by or "", to, written.details())
    return _settlement(rows[0])


def add_step(
    session: Session, crucible_id: int, by: str, state: SettlementState, details: Mapping[str, Any] | None = None
) -> None:
    """Write a change of state into the log, in the transaction of the change."""
    text = msgspec.json.encode(details or {}).decode()
    session.run(_STATEMENTS["add_step"], crucible_id, by, state.value, text)


def release(session: Session, one: Settlement, wait_seconds: float, error: str | None = None) -> None:
    """Let go of an ending until it is to be looked at again.

    Args:
        session: the call commits by itself.
        one: the ending, whose owner lets go of it.
        wait_seconds: until then.
        error: a failure because a neighbour is away; None: there was none.
    """
    session.run(
        _STATEMENTS["release"],
        {"crucible": one.crucible_id, "owner": one.claimed_by, "wait": wait_seconds, "error": error},
    )


def pool(session: Session, crucible_id: int, *, observe: bool, entry_fee: int) -> int:
    """Return the Buzz that was collected for entries that take part."""
    return int(session.run(_STATEMENTS["pool"], {"crucible": crucible_id, "observe": observe, "fee": entry_fee})[0][0])


def write_prizes(session: Session, crucible_id: int, prizes: Sequence[FinalStanding]) -> None:
    """Write who gets how much, within the caller's transaction."""
    rows = [
        {"position": one.position, "entry_id": one.entry_id, "user_id": one.user_id, "amount": one.prize}
        for one in prizes
    ]
    if rows:
        session.run(_STATEMENTS["write_prizes"], crucible_id, msgspec.json.encode(rows).decode())


def end_entries(session: Session, crucible_id: int) -> None:
    """Note that entries which vanish from now on are not withdrawn, within the caller's transaction."""
    session.run(_STATEMENTS["end_entries"], crucible_id)


def undecided_entries(session: Session, crucible_id: int, most: int) -> Iterator[list[int]]:
    """Yield the entries of a crucible about which nothing was decided, page by page, in the order of their ids."""
    after = 0
    while True:
        rows = session.run(_STATEMENTS["undecided_entries"], {"crucible": crucible_id, "after": after, "most": most})
        if rows:
            yield [entry for (entry,) in rows]
        if len(rows) < most:
            return
        after = rows[-1][0]


def fees_under_way(session: Session, crucible_id: int) -> int:
    """Return how many entries of a crucible wait for their fee to be taken."""
    return int(session.run(_STATEMENTS["fees_under_way"], crucible_id)[0][0])


def is_unfinished(session: Session, crucible_id: int, channel: str) -> bool:
    """Return whether anything is still to be done outside about a crucible, on a channel."""
    return bool(session.run(_STATEMENTS["unfinished"], crucible_id, channel)[0][0])


def refunds(session: Session, crucible_id: int, *, is_gone: bool) -> tuple[Refunded, ...]:
    """Return what went back because a crucible was cancelled, or is gone."""
    rows = session.run(_STATEMENTS["refunds"], {"crucible": crucible_id, "gone": is_gone})
    return tuple(Refunded(user, entry, amount) for user, entry, amount in rows)


def entries_decided(session: Session, crucible_id: int) -> int:
    """Return of how many entries of a crucible something was decided."""
    return int(session.run(_STATEMENTS["count_entries_of"], crucible_id)[0][0])


def retry(session: Session, crucible_id: int, by: str) -> SettlementState | None:
    """Have a parked ending go on from where it was; return the state, None if it is not parked."""
    return _changed(session, "retry", crucible_id, by, {"retried": True})


def cancel(session: Session, crucible_id: int, by: str) -> SettlementState | None:
    """Have everything given back, within the caller's transaction; None if there is a result already, or no ending."""
    return _changed(session, "cancel", crucible_id, by, {"cancelled": True})


def waiting(session: Session) -> list[WaitingEndings]:
    """Return how many endings are under way, by state; those that are due only if their end has come."""
    rows = session.read(_STATEMENTS["count_settlements"])
    return [WaitingEndings(SettlementState(state), count, oldest) for state, count, oldest in rows]


def _changed(
    session: Session, statement: str, crucible_id: int, by: str, details: Mapping[str, Any]
) -> SettlementState | None:
    with session.together():
        rows = session.run(_STATEMENTS[statement], crucible_id)
        if not rows:
            return None
        state = SettlementState(rows[0][0])
        add_step(session, crucible_id, by, state, details)
    return state


def _settlement(row: Sequence[Any]) -> Settlement:
    crucible, state, name, creator, prefix, attempts, frozen_at, digest, votes, frozen_seconds, claimed_by = row
    return Settlement(
        crucible_id=crucible, state=SettlementState(state), name=name, creator_id=creator, setup_prefix=prefix or None,
        attempts=attempts, frozen_at=frozen_at, digest=digest, votes=votes, frozen_seconds=frozen_seconds,
        claimed_by=claimed_by,
    )  # fmt: skip
