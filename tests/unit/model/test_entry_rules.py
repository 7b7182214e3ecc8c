"""The rules of entering: each alone, every two together, and the cases that the site's own rules were tried with."""

from itertools import combinations
from typing import Any

import msgspec
import pytest

from watcher.model.entry_rules import CrucibleRules, EntryFacts, EntryImage, Payment, decide
from watcher.model.entry_verdict import SENTENCES, EntryReason, Verdict, VerdictState

R = EntryReason
STARTS, MADE, ENDS = 1_000, 2_000, 3_000
GOOD = EntryFacts(
    user_id=7,
    created_ms=MADE,
    crucible=CrucibleRules(
        status="Active", nsfw_level=3, start_ms=STARTS, end_ms=ENDS, entry_fee=100, entry_limit=2,
        max_total_entries=10, allowed_resources="[70, 71]",
    ),
    image=EntryImage(user_id=7, nsfw_level=1, ingestion="Scanned", resources=frozenset({70})),
    collected=100,
)  # fmt: skip
"""An entry that breaks no rule."""

BREAKS: dict[EntryReason, dict[str, Any]] = {
    R.CRUCIBLE_NOT_ACTIVE: {"crucible.status": "Pending"},
    R.NOT_STARTED: {"created_ms": STARTS - 1},
    R.ENDED: {"created_ms": ENDS + 1},
    R.TOTAL_LIMIT: {"earlier_in_all": 10},
    R.USER_LIMIT: {"earlier_of_user": 2},
    R.NOT_IMAGE_OWNER: {"image.user_id": 8},
    R.IMAGE_ENTERED_ALREADY: {"entered_already": True},
    R.IMAGE_NOT_SCANNABLE: {"image.ingestion": "Error"},
    R.IMAGE_BLOCKED: {"image.blocked_for": "CSAM"},
    R.LEVEL_NOT_ALLOWED: {"image.nsfw_level": 4},
    R.RESOURCES_NOT_ALLOWED: {"image.resources": frozenset({70, 99})},
    R.NO_RESOURCES_DETECTED: {"image.resources": frozenset()},
    R.RULE_UNREADABLE: {"crucible.allowed_resources": '{"baseModels": ["SDXL"]}'},
}
"""What breaks each rule, and no other one."""
HIDES = {R.RULE_UNREADABLE: {R.RESOURCES_NOT_ALLOWED, R.NO_RESOURCES_DETECTED}}
"""Rules that cannot be looked at once another one is broken."""
EXCLUDED = {frozenset({R.NOT_STARTED, R.ENDED}), frozenset({R.RESOURCES_NOT_ALLOWED, R.NO_RESOURCES_DETECTED})}
"""Pairs that no entry can break at once."""


def but(facts: EntryFacts, **changes: Any) -> EntryFacts:
    """The facts with some of them changed; ``crucible.status`` is one of the crucible's."""
    for name, value in changes.items():
        of, _, field = name.rpartition(".")
        if of:
            facts = msgspec.structs.replace(
                facts, **{of: msgspec.structs.replace(getattr(facts, of), **{field: value})}
            )
        else:
            facts = msgspec.structs.replace(facts, **{field: value})
    return facts


def test_an_entry_that_breaks_nothing_is_admitted() -> None:
    assert decide(GOOD) == Verdict(VerdictState.ADMITTED)


@pytest.mark.parametrize("reason", BREAKS)
def test_each_rule_alone(reason: EntryReason) -> None:
    assert decide(but(GOOD, **BREAKS[reason])) == Verdict(VerdictState.REJECTED, (reason,))


@pytest.mark.parametrize(
    ("one", "other"), [pair for pair in combinations(BREAKS, 2) if frozenset(pair) not in EXCLUDED]
)
def test_every_pair_of_rules(one: EntryReason, other: EntryReason) -> None:
    """Both are told, in one order, whichever was broken first."""
    broken = but(but(GOOD, **BREAKS[one]), **BREAKS[other])
    hidden = HIDES.get(one, set()) | HIDES.get(other, set())

    expected = tuple(reason for reason in R if reason in {one, other} - hidden)
    assert decide(broken) == Verdict(VerdictState.REJECTED, expected)


@pytest.mark.parametrize("reason", BREAKS)
def test_an_image_that_is_not_scanned_makes_it_wait(reason: EntryReason) -> None:
    """Whatever else is known, unless it is of the image's content, which is not known then."""
    waiting = decide(but(but(GOOD, **{"image.ingestion": "Pending", "image.nsfw_level": 0}), **BREAKS[reason]))

    if reason in {R.IMAGE_BLOCKED, R.IMAGE_NOT_SCANNABLE}:  # no scan mends the one, and the other is a scan's end
        assert waiting.state is VerdictState.REJECTED
        assert reason in waiting.reasons
    else:
        assert waiting.state is VerdictState.WAITING
        assert R.IMAGE_NOT_SCANNED in waiting.reasons


@pytest.mark.parametrize(
    ("ingestion", "level", "state"),
    [
        ("Pending", 0, VerdictState.WAITING),
        ("Pending", 1, VerdictState.WAITING),
        ("Rescan", 1, VerdictState.WAITING),
        ("PendingManualAssignment", 0, VerdictState.WAITING),
        ("Scanned", 0, VerdictState.WAITING),
        ("Scanned", 1, VerdictState.ADMITTED),
        ("Error", 0, VerdictState.REJECTED),
        ("NotFound", 1, VerdictState.REJECTED),
        ("Blocked", 1, VerdictState.REJECTED),
        ("Scanned", 33, VerdictState.REJECTED),
    ],
)
def test_states_of_the_scan(ingestion: str, level: int, state: VerdictState) -> None:
    """33 is PG and Blocked at once: an allowed level beside it does not help."""
    assert decide(but(GOOD, **{"image.ingestion": ingestion, "image.nsfw_level": level})).state is state


@pytest.mark.parametrize(
    ("image", "crucible", "allowed"),
    [(1, 1, True), (1, 3, True), (2, 6, True), (4, 1, False), (1, 12, False), (8, 1, False), (3, 1, True),
     (8, 15, True), (3, 2, True), (1, 2, False), (15, 8, True), (7, 8, False), (64, 31, False), (64, 127, False)],
)  # fmt: skip
def test_levels(image: int, crucible: int, allowed: bool) -> None:
    verdict = decide(but(GOOD, **{"image.nsfw_level": image, "crucible.nsfw_level": crucible}))

    assert verdict == (
        Verdict(VerdictState.ADMITTED) if allowed else Verdict(VerdictState.REJECTED, (R.LEVEL_NOT_ALLOWED,))
    )


@pytest.mark.parametrize(
    ("earlier", "limit", "allowed"),
    [(0, 3, True), (2, 3, True), (3, 3, False), (5, 3, False), (1, 1, False), (0, 1, True)],
)
def test_entries_of_one_user(earlier: int, limit: int, allowed: bool) -> None:
    verdict = decide(but(GOOD, **{"earlier_of_user": earlier, "crucible.entry_limit": limit}))

    assert (verdict.state is VerdictState.ADMITTED) is allowed


@pytest.mark.parametrize(
    ("earlier", "limit", "allowed"), [(100, None, True), (49, 50, True), (50, 50, False), (51, 50, False)]
)
def test_entries_of_all(earlier: int, limit: int | None, allowed: bool) -> None:
    verdict = decide(but(GOOD, **{"earlier_in_all": earlier, "crucible.max_total_entries": limit}))

    assert (verdict.state is VerdictState.ADMITTED) is allowed


@pytest.mark.parametrize(
    ("created", "start", "end", "allowed"),
    [
        (ENDS, STARTS, ENDS, True),
        (ENDS + 1, STARTS, ENDS, False),
        (ENDS + 1, STARTS, None, True),
        (STARTS, STARTS, ENDS, True),
        (STARTS - 1, STARTS, ENDS, False),
        (0, None, None, True),
    ],
)
def test_the_time_is_the_entry_s_own(created: int, start: int | None, end: int | None, allowed: bool) -> None:
    """Beginning and end are inside; what time it is when it is decided plays no part."""
    verdict = decide(but(GOOD, created_ms=created, **{"crucible.start_ms": start, "crucible.end_ms": end}))

    assert (verdict.state is VerdictState.ADMITTED) is allowed


@pytest.mark.parametrize("status", ["Pending", "Completed", "Cancelled"])
def test_only_active_crucibles_take_entries(status: str) -> None:
    assert decide(but(GOOD, **{"crucible.status": status})).reasons == (R.CRUCIBLE_NOT_ACTIVE,)


@pytest.mark.parametrize("rule", [None, "null", "[]"])
def test_no_rule_of_resources(rule: str | None) -> None:
    """SQL NULL, JSON null and an empty list are no rule: images without resources pass too."""
    facts = but(GOOD, **{"crucible.allowed_resources": rule, "image.resources": frozenset()})

    assert decide(facts) == Verdict(VerdictState.ADMITTED)


@pytest.mark.parametrize("rule", ["[70.5]", '["70"]', "[true]", '{"modelVersionIds": [70]}', "7", "[70", '"70"'])
def test_a_rule_that_nobody_can_read_lets_nobody_in(rule: str) -> None:
    assert decide(but(GOOD, **{"crucible.allowed_resources": rule})).reasons == (R.RULE_UNREADABLE,)


@pytest.mark.parametrize("resources", [frozenset[int](), frozenset({99})])
def test_resources_of_a_video_are_not_verified(resources: frozenset[int]) -> None:
    facts = but(GOOD, **{"image.type": "video", "image.resources": resources})

    assert decide(facts) == Verdict(VerdictState.ADMITTED)


@pytest.mark.parametrize(
    ("payment", "collected", "expected"),
    [
        (Payment.SETTLED, 100, Verdict(VerdictState.ADMITTED)),
        (Payment.SETTLED, 60, Verdict(VerdictState.ADMITTED)),
        (Payment.SETTLED, 0, Verdict(VerdictState.REJECTED, (R.UNPAID,))),
        (Payment.PENDING, 0, Verdict(VerdictState.WAITING, (R.FEE_PENDING,))),
        (Payment.INSUFFICIENT_FUNDS, 0, Verdict(VerdictState.REJECTED, (R.INSUFFICIENT_FUNDS,))),
        (Payment.WRONG_ACCOUNT_TYPE, 100, Verdict(VerdictState.REJECTED, (R.WRONG_ACCOUNT_TYPE,))),
        (Payment.REFUSED, 0, Verdict(VerdictState.REJECTED, (R.CHARGE_REFUSED,))),
    ],
)
def test_fees(payment: Payment, collected: int, expected: Verdict) -> None:
    """What was really collected counts; the fee of a row is what was asked for."""
    assert decide(but(GOOD, payment=payment, collected=collected)) == expected


def test_no_fee_is_paid_by_nothing() -> None:
    assert decide(but(GOOD, collected=0, **{"crucible.entry_fee": 0})) == Verdict(VerdictState.ADMITTED)


def test_nobody_is_charged_for_an_entry_that_breaks_a_rule() -> None:
    """The fee is looked at last: a payment that is pending keeps nobody waiting for a rejection."""
    assert decide(but(GOOD, payment=Payment.PENDING, **BREAKS[R.LEVEL_NOT_ALLOWED])) == Verdict(
        VerdictState.REJECTED, (R.LEVEL_NOT_ALLOWED,)
    )


@pytest.mark.parametrize("reason", BREAKS)
def test_a_vote_keeps_its_meaning(reason: EntryReason) -> None:
    """A rule that was changed after a vote had counted is reported and rejects nothing."""
    facts = but(GOOD, admitted_before=True, voted_on=True, **BREAKS[reason])

    assert decide(facts) == Verdict(VerdictState.ADMITTED, (reason,))


@pytest.mark.parametrize("reason", BREAKS)
def test_without_votes_changed_rules_hold(reason: EntryReason) -> None:
    facts = but(GOOD, admitted_before=True, **BREAKS[reason])

    assert decide(facts).state is VerdictState.REJECTED


def test_what_is_not_there() -> None:
    assert decide(msgspec.structs.replace(GOOD, crucible=None, image=None)) == Verdict(
        VerdictState.REJECTED, (R.CRUCIBLE_UNKNOWN, R.IMAGE_UNKNOWN)
    )


def test_every_code_has_a_sentence() -> None:
    assert set(SENTENCES) == set(EntryReason)
    assert Verdict(VerdictState.REJECTED, (R.ENDED,)).sentences == ["The entry was made after the crucible's end."]
