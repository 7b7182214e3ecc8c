"""Two processes at once: one decides a new entry by rules that become others while it does, another follows them."""

import threading

import pytest

from tests.contract.redis.rows import folded, state
from tests.entries.site import Site
from watcher.entries import decider
from watcher.entries.decider import Decider
from watcher.model.entry_decision import FeePolicy
from watcher.postgres.own import entry_facts

PATIENCE_SECONDS = 60.0
NEVER_SECONDS = 3600.0
ADMITTED, REJECTED = ("admitted", [], 0), ("rejected", ["level_not_allowed"], 0)


@pytest.mark.parametrize("is_first", [True, False], ids=["the first entry", "a later entry"])
@pytest.mark.parametrize(
    ("waits", "expected"), [(True, REJECTED), (False, ADMITTED)], ids=["awaited", "control: not awaited"]
)
def test_an_entry_under_way_is_held_to_new_rules(
    site: Site, monkeypatch: pytest.MonkeyPatch, is_first: bool, waits: bool, expected: object
) -> None:
    """Its verdict is not written yet when those that there are get looked at again."""
    crucible = site.crucible(nsfwLevel=3, entryLimit=9)
    follows = site.watch(sweep_seconds=NEVER_SECONDS)
    follows.turn()
    if not is_first:
        site.enter(crucible)
        site.decide()
    entry = site.enter(crucible)
    reached, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def pause(place: str) -> None:
        if place == "verdicts.decided" and threading.current_thread() is slow:
            reached.set()
            assert go_on.wait(PATIENCE_SECONDS)

    def decide() -> None:
        with site.open_session() as session:
            Decider(FeePolicy(), "watch").decide(session, [entry])

    def follow() -> None:
        follows.shown(folded([(1, state(crucible))]))
        follows.turn()
        done.set()

    monkeypatch.setattr(decider, "reach", pause)
    if not waits:
        monkeypatch.setattr(entry_facts, "await_others", lambda *_: None)
    slow, fast = threading.Thread(target=decide), threading.Thread(target=follow)
    slow.start()
    assert reached.wait(PATIENCE_SECONDS)
    site.run('UPDATE "Crucible" SET "nsfwLevel" = 8 WHERE id = %s', crucible)
    fast.start()
    try:
        while not done.is_set() and not site.one("SELECT count(*)::int FROM pg_locks WHERE NOT granted"):
            done.wait(0.05)
    finally:
        go_on.set()
        for thread in (slow, fast):
            thread.join(PATIENCE_SECONDS)
        follows.end()

    assert site.verdict(entry) == expected
