"""What other services are told: types, subjects and bodies."""

from array import array
from datetime import UTC, datetime

import msgspec

from watcher.model.crucible_events import (
    BODIES,
    MAX_STANDINGS,
    CrucibleEvent,
    EventType,
    fee_refunded,
    frozen,
    of_decisions,
    of_outcome,
    prize_paid,
)
from watcher.model.entry_decision import Decision, EntryCandidate
from watcher.model.entry_rules import EntryFacts
from watcher.model.entry_verdict import EntryReason, Verdict, VerdictState
from watcher.model.settlement import CrucibleOutcome, FinalStandings, OutcomeKind, Proof, Refunded

AT = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def told(event: CrucibleEvent) -> tuple[str, str, object]:
    """An event as others see it."""
    return event.type.value, event.subject, msgspec.json.decode(msgspec.json.encode(event.data))


def outcome(entries: int) -> CrucibleOutcome:
    """A crucible in which every entry is placed."""
    return CrucibleOutcome(
        crucible_id=42, name="Dawn", creator_id=7, kind=OutcomeKind.ENDED, entries=entries, pool=100, paid=80,
        remainder=20, frozen_at=AT, proof=Proof("ab", 5),
        standings=FinalStandings(
            array("l", range(1, entries + 1)), array("l", [2] * entries), array("l", [1500] * entries), {1: 50, 2: 30}
        ),
    )  # fmt: skip


def decision(state: VerdictState, *reasons: EntryReason, before: Verdict | None = None) -> Decision:
    """An entry that was decided."""
    facts = EntryFacts(user_id=3, created_ms=0, crucible=None, image=None)
    candidate = EntryCandidate(entry_id=1001, crucible_id=42, image_id=9, facts=facts, before=before)
    return Decision(candidate=candidate, verdict=Verdict(state, reasons), fee=100 if state == "admitted" else 0)


def test_every_type_has_a_body_and_a_sample_of_each_is_told() -> None:
    assert set(BODIES) == set(EventType)
    assert len(set(BODIES.values())) == len(EventType)


def test_verdicts_are_told() -> None:
    """Only new ones, and none that waits."""
    events = of_decisions(
        [
            decision(VerdictState.ADMITTED),
            decision(VerdictState.REJECTED, EntryReason.UNPAID),
            decision(VerdictState.WITHDRAWN),
            decision(VerdictState.WAITING, EntryReason.FEE_PENDING),
            decision(VerdictState.ADMITTED, before=Verdict(VerdictState.ADMITTED)),
        ]
    )
    about = {"crucibleId": 42, "entryId": 1001, "userId": 3, "imageId": 9}

    assert [told(one) for one in events] == [
        ("entry.admitted", "crucibles/42/entries/1001", {**about, "fee": 100}),
        ("entry.rejected", "crucibles/42/entries/1001", {**about, "reasons": ["unpaid"], "enforced": True}),
        ("entry.withdrawn", "crucibles/42/entries/1001", about),
    ]


def test_a_result_is_told_with_prizes_standings_and_proof() -> None:
    (event,) = of_outcome(outcome(2), "external")

    assert told(event) == (
        "crucible.settled",
        "crucibles/42",
        {
            "crucibleId": 42, "name": "Dawn", "creatorId": 7, "entries": 2, "placed": 2, "pool": 100, "paid": 80,
            "remainder": 20, "payouts": "external", "frozenAt": "2026-11-29T12:00:00Z",
            "proof": {"digest": "ab", "votes": 5},
            "prizes": [
                {"entryId": 1, "userId": 2, "position": 1, "amount": 50, "payoutId": "crucible-prize-42-1"},
                {"entryId": 2, "userId": 2, "position": 2, "amount": 30, "payoutId": "crucible-prize-42-2"},
            ],
            "standings": [
                {"entryId": 1, "userId": 2, "position": 1, "score": 1500},
                {"entryId": 2, "userId": 2, "position": 2, "score": 1500},
            ],
        },
    )  # fmt: skip


def test_many_standings_come_before_the_result() -> None:
    """So whoever reads the result has all of them; no event is larger than a thousand standings make it."""
    events = list(of_outcome(outcome(3 * MAX_STANDINGS - 1), "watcher"))
    positions = [[one.position for one in event.data.standings] for event in events]  # type: ignore[attr-defined]

    assert [event.type.value for event in events] == ["crucible.standings", "crucible.standings", "crucible.settled"]
    assert [(page[0], page[-1]) for page in positions] == [(1001, 2000), (2001, 2999), (1, 1000)]


def test_a_cancelled_crucible_is_told_with_what_goes_back() -> None:
    cancelled = CrucibleOutcome(
        crucible_id=42, name="Dawn", creator_id=7, kind=OutcomeKind.CANCELLED, entries=1,
        refunds=(Refunded(1, 11, 100), Refunded(7, None, 1000)),
    )  # fmt: skip
    (event,) = of_outcome(cancelled, "watcher")

    assert told(event) == (
        "crucible.cancelled",
        "crucibles/42",
        {"crucibleId": 42, "name": "Dawn", "creatorId": 7, "entries": 1, "refunded": 1100, "frozenAt": None},
    )


def test_what_moved_is_told() -> None:
    refund = {"crucible_id": 42, "user_id": 3, "amount": 100, "prefix": "p-"}

    assert [
        told(one)
        for one in (
            frozen(42, AT),
            prize_paid(crucible_id=42, entry_id=11, user_id=3, amount=50),
            fee_refunded(entry_id=11, **refund),
            fee_refunded(entry_id=None, **refund),
        )
    ] == [
        ("crucible.frozen", "crucibles/42", {"crucibleId": 42, "frozenAt": "2026-11-29T12:00:00Z"}),
        (
            "prize.paid",
            "crucibles/42/entries/11",
            {"crucibleId": 42, "entryId": 11, "userId": 3, "amount": 50, "payoutId": "crucible-prize-42-11"},
        ),
        (
            "fee.refunded",
            "crucibles/42/entries/11",
            {"crucibleId": 42, "entryId": 11, "userId": 3, "amount": 100, "prefix": "p-"},
        ),
        (
            "fee.refunded",
            "crucibles/42",
            {"crucibleId": 42, "entryId": None, "userId": 3, "amount": 100, "prefix": "p-"},
        ),
    ]
