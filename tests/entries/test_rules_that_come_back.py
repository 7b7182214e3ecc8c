"""Rules that become others and come back: what was decided by those in between is decided again."""

import pytest

from tests.contract.redis.rows import folded, state
from tests.entries.site import Site
from watcher.entries.decider import Decider
from watcher.entries.watch_entries import WatchEntries
from watcher.model.entry_decision import FeePolicy
from watcher.postgres.own import entries_to_decide

NEVER_SECONDS = 3600.0
RATHER_NOT, ALL = 8, 3
"""Levels of a crucible: images of the tests are allowed in the latter only."""
ADMITTED, REJECTED = ("admitted", [], 0), ("rejected", ["level_not_allowed"], 0)


def set_level(site: Site, crucible: int, level: int) -> None:
    """Somebody changes the rules."""
    site.run('UPDATE "Crucible" SET "nsfwLevel" = %s WHERE id = %s', level, crucible)


def enter_and_decide(site: Site, crucible: int) -> int:
    """Somebody enters, and some process decides about that entry alone."""
    entry = site.enter(crucible)
    with site.open_session() as session:
        Decider(FeePolicy(), "watch").decide(session, [entry])
    return entry


def follow(watch: WatchEntries, crucible: int) -> None:
    """The stream has shown the crucible's row."""
    watch.shown(folded([(1, state(crucible))]))
    watch.turn()


def test_an_entry_in_between_is_held_to_the_rules_as_they_are(site: Site) -> None:
    """Nobody sees the rules change before they are what they were; one entry was decided meanwhile."""
    crucible = site.crucible(nsfwLevel=RATHER_NOT, entryLimit=9)
    first = site.enter(crucible)
    site.decide()
    set_level(site, crucible, ALL)
    second = enter_and_decide(site, crucible)
    in_between = site.verdict(second)
    set_level(site, crucible, RATHER_NOT)
    watch = site.watch(sweep_seconds=NEVER_SECONDS)

    watch.turn()  # the sweep of its start
    watch.end()

    assert in_between == ADMITTED
    assert [site.verdict(one) for one in (first, second)] == [REJECTED, REJECTED]


def test_an_entry_by_third_rules_while_new_ones_are_followed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules go back for a moment while all entries are decided again; one of that moment once more."""
    crucible = site.crucible(nsfwLevel=RATHER_NOT, entryLimit=9)
    site.enter(crucible)
    site.decide()
    watch = site.watch(sweep_seconds=NEVER_SECONDS)
    watch.turn()
    set_level(site, crucible, ALL)
    note, of_a_moment = entries_to_decide.note_crucibles, list[int]()

    def note_after_a_moment(*args: object) -> None:
        if not of_a_moment:
            set_level(site, crucible, RATHER_NOT)
            of_a_moment.append(enter_and_decide(site, crucible))
            set_level(site, crucible, ALL)
        note(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(entries_to_decide, "note_crucibles", note_after_a_moment)
    follow(watch, crucible)
    before = site.verdict(of_a_moment[0])

    follow(watch, crucible)
    watch.end()

    assert (before, site.verdict(of_a_moment[0])) == (REJECTED, ADMITTED)


def test_rules_that_stay_are_not_followed_again(site: Site) -> None:
    """The control: once everything is decided by the same rules, a look at the crucible decides nothing again."""
    crucible = site.crucible(nsfwLevel=RATHER_NOT, entryLimit=9)
    site.enter(crucible)
    site.decide()
    set_level(site, crucible, ALL)
    enter_and_decide(site, crucible)
    site.decide()

    with site.open_session() as session:
        (one,) = entries_to_decide.crucibles_to_decide(session, [crucible])
    assert one.rules is not None
    assert one.decided_by == Decider(FeePolicy(), "watch").decides_by(one.rules)
