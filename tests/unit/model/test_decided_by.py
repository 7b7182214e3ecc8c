"""Entries that an end which is moved does not affect come to the same, by the rules themselves."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.decided_by import ANY_END, NO_END, DecidedBy
from watcher.model.entry_rules import CrucibleRules, EntryFacts, decide

MOMENTS = st.integers(0, 20)
ENDS = MOMENTS | st.just(NO_END)


@given(MOMENTS, st.lists(ENDS, min_size=1, max_size=3), ENDS)
def test_who_is_not_affected_comes_to_the_same(created: int, before: list[int], now: int) -> None:
    facts = EntryFacts(user_id=1, created_ms=created, crucible=CrucibleRules(status="Active", nsfw_level=1), image=None)
    affected = DecidedBy("Active", 7, min(before), max(before)).affected_by(DecidedBy("Active", 7, now, now))

    def verdict(end: int) -> object:
        end_ms = None if end == NO_END else end
        return decide(msgspec.structs.replace(facts, crucible=msgspec.structs.replace(facts.crucible, end_ms=end_ms)))

    if affected is None:
        assert set(before) == {now}
    elif created < (affected.first_ms or 0) or (affected.last_ms is not None and created > affected.last_ms):
        assert {verdict(end) for end in before} == {verdict(now)}


def test_of_unknown_ends_all_are_affected() -> None:
    affected = DecidedBy("Active", 7, ANY_END, NO_END).affected_by(DecidedBy("Active", 7, 5, 5))

    assert affected == (None, None)
