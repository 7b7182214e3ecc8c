"""What the change stream tells is decided at once, and a sweep finds the rest by what has changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from tests.contract.redis.rows import folded, state
from tests.entries.site import Site
from watcher.entries.decider import Decider
from watcher.entries.watch_entries import WatchEntries
from watcher.model.effects import EntryGone, EntryState, StateEffect
from watcher.model.entry_decision import FeePolicy
from watcher.model.errors import TemporaryError
from watcher.postgres.own import entry_facts
from watcher.postgres.session import Session

NEVER_SECONDS = 3600.0


@pytest.fixture
def watch(site: Site) -> Iterator[WatchEntries]:
    """The work between two sweeps: the first is over, and the next does not come."""
    watch = site.watch(sweep_seconds=NEVER_SECONDS)
    watch.turn()
    yield watch
    watch.end()


def tell(watch: WatchEntries, *effects: StateEffect) -> None:
    watch.shown(folded((lsn, effect) for lsn, effect in enumerate(effects, 1)))
    watch.turn()


def came(crucible: int, entry: int) -> EntryState:
    return EntryState(crucible, entry, 7, 5, 0)


def test_only_what_is_told_is_looked_at(site: Site, watch: WatchEntries) -> None:
    crucible, other = site.crucible(entryLimit=9), site.crucible()
    told, untold = site.enter(crucible), site.enter(other)

    tell(watch, came(crucible, told))

    assert site.verdict(told) == ("admitted", [], 0)
    assert site.verdict(untold) is None


def test_entries_of_many_crucibles_are_one_transaction(site: Site, watch: WatchEntries) -> None:
    entries = [(crucible, site.enter(crucible)) for crucible in (site.crucible() for _ in range(5))]

    tell(watch, *(came(*one) for one in entries))

    transactions = site.all("SELECT xmin::text, count(*)::int FROM SCHEMA.entry_verdict GROUP BY 1")
    assert [count for _, count in transactions] == [5]


def test_a_place_that_is_free_is_given_to_who_came_next(site: Site, watch: WatchEntries) -> None:
    """To nobody who would be out for another reason, nor to two."""
    crucible, user = site.crucible(nsfwLevel=3), site.user()
    first = site.enter(crucible, user)
    bad = site.enter(crucible, user, site.image(user, level=8))
    second, third = site.enter(crucible, user), site.enter(crucible, user)
    tell(watch, *(came(crucible, one) for one in (first, bad, second, third)))
    assert [site.verdict(one)[0] for one in (first, bad, second, third)] == ["admitted"] + ["rejected"] * 3  # type: ignore[index]

    site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', first)
    tell(watch, EntryGone(crucible, first))

    assert site.verdict(first) == ("withdrawn", [], 0)
    assert site.verdict(bad) == ("rejected", ["level_not_allowed"], 0)
    assert site.verdict(second) == ("admitted", [], 0)
    assert site.verdict(third) == ("rejected", ["user_limit"], 0)


def test_an_image_that_is_free_is_given_to_who_has_it_too(site: Site, watch: WatchEntries) -> None:
    """Another image in the entry that was first frees its old one."""
    crucible, user = site.crucible(entryLimit=9), site.user()
    image = site.image(user)
    first, second = site.enter(crucible, user, image), site.enter(crucible, user, image)
    tell(watch, came(crucible, first), came(crucible, second))
    assert site.verdict(second) == ("rejected", ["image_entered_already"], 0)

    site.run('UPDATE "CrucibleEntry" SET "imageId" = %s WHERE id = %s', site.image(user), first)
    tell(watch, came(crucible, first))

    assert site.verdict(second) == ("admitted", [], 0)


def test_rules_that_are_others_have_all_entries_decided_again(site: Site, watch: WatchEntries) -> None:
    crucible = site.crucible(nsfwLevel=3)
    entries = [site.enter(crucible) for _ in range(3)]
    tell(watch, *(came(crucible, one) for one in entries))

    site.run('UPDATE "Crucible" SET "nsfwLevel" = 8 WHERE id = %s', crucible)
    tell(watch, state(crucible))

    assert [site.verdict(one) for one in entries] == [("rejected", ["level_not_allowed"], 0)] * 3


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The entries that were decided, one list for each crucible and time."""
    seen: list[list[int]] = []
    in_order = Decider._in_order
    note = lambda *given: seen.append([one.entry_id for one in given[2]]) or in_order(*given)  # noqa: E731
    monkeypatch.setattr(Decider, "_in_order", note)
    return seen


def test_an_end_that_is_moved_has_those_decided_that_it_is_about(
    site: Site, watch: WatchEntries, pages: list[list[int]]
) -> None:
    """However many others the crucible has."""
    crucible = site.crucible(entryLimit=9, endAt="2026-01-10")
    early, between, late = (site.enter(crucible, createdAt=f"2026-01-{day}") for day in ("05", "15", "25"))
    tell(watch, *(came(crucible, one) for one in (early, between, late)), state(crucible))
    assert [site.verdict(one) for one in (early, between)] == [("admitted", [], 0), ("rejected", ["ended"], 0)]
    pages.clear()

    for end, verdicts in (("2026-01-20", [True, True, False]), ("2026-01-01", [False] * 3), (None, [True] * 3)):
        site.run('UPDATE "Crucible" SET "endAt" = %s WHERE id = %s', end, crucible)
        tell(watch, state(crucible))

        assert [site.verdict(one)[0] == "admitted" for one in (early, between, late)] == verdicts  # type: ignore[index]
    assert pages == [[between], [early, between], [early, between, late]]


def test_an_end_that_somebody_was_decided_by_is_remembered(site: Site, watch: WatchEntries) -> None:
    """It was moved and moved back before anybody was told of it; whoever came in between is in all the same."""
    crucible = site.crucible(entryLimit=9, endAt="2026-01-20")
    tell(watch, came(crucible, site.enter(crucible, createdAt="2026-01-05")), state(crucible))
    site.run('UPDATE "Crucible" SET "endAt" = \'2026-01-10\' WHERE id = %s', crucible)
    between = site.enter(crucible, createdAt="2026-01-15")
    tell(watch, came(crucible, between))
    assert site.verdict(between) == ("rejected", ["ended"], 0)

    site.run('UPDATE "Crucible" SET "endAt" = \'2026-01-20\' WHERE id = %s', crucible)
    tell(watch, state(crucible))

    assert site.verdict(between) == ("admitted", [], 0)


def test_rules_that_change_all_the_time_are_looked_at_once_a_second(site: Site) -> None:
    """A change that comes alone is followed at once; who enters is decided by the rules of that moment all the same."""
    now = [100.0]
    watch = WatchEntries(
        site.open_session, Decider(FeePolicy(), "watch", lambda *_: set()), site.heard, NEVER_SECONDS,
        clock=lambda: now[0],
    )  # fmt: skip
    crucible = site.crucible(entryLimit=9, endAt="2026-01-20")
    early = site.enter(crucible, createdAt="2026-01-15")
    watch.turn()
    followed: list[object] = []
    for end in ("2026-01-10", "2026-01-20", "2026-01-10"):
        site.run('UPDATE "Crucible" SET "endAt" = %s WHERE id = %s', end, crucible)
        tell(watch, state(crucible))
        followed.append(site.verdict(early))
    late = site.enter(crucible, createdAt="2026-01-15")
    tell(watch, came(crucible, late))
    rest = watch.turn()
    now[0] += rest
    before = site.verdict(early)
    site.run('UPDATE "Crucible" SET "endAt" = NULL WHERE id = %s', crucible)

    watch.turn()
    watch.end()

    assert followed == [("rejected", ["ended"], 0)] * 3
    assert (before, rest) == (("rejected", ["ended"], 0), 1.0)
    assert [site.verdict(one) for one in (early, late)] == [("admitted", [], 0)] * 2


def test_who_waits_for_another_place_is_not_decided(site: Site, watch: WatchEntries, pages: list[list[int]]) -> None:
    """Two places become free in two crucibles: of one user here, of another there."""
    users, crucibles = (site.user(), site.user()), (site.crucible(), site.crucible())
    entries = [(crucible, site.enter(crucible, user)) for crucible in crucibles for user in users * 2]
    tell(watch, *(came(*one) for one in entries))
    site.run('DELETE FROM "CrucibleEntry" WHERE id = ANY(%s)', [entries[0][1], entries[5][1]])
    pages.clear()

    tell(watch, EntryGone(*entries[0]), EntryGone(*entries[5]))

    assert pages == [[entries[2][1]], [entries[7][1]]]
    assert [site.verdict(entry)[0] for _, entry in entries] == [  # type: ignore[index]
        "withdrawn", "admitted", "admitted", "rejected", "admitted", "withdrawn", "rejected", "admitted",
    ]  # fmt: skip


def test_who_is_gone_with_the_crucible_is_withdrawn_though_nobody_tells(site: Site, watch: WatchEntries) -> None:
    crucible = site.crucible(entryLimit=9)
    entries = [site.enter(crucible) for _ in range(3)]
    tell(watch, *(came(crucible, one) for one in entries))

    site.run('DELETE FROM "Crucible" WHERE id = %s', crucible)
    tell(watch, state(crucible))

    assert [site.verdict(one) for one in entries] == [("withdrawn", [], 0)] * 3


def test_a_row_that_says_the_same_is_not_decided(site: Site, watch: WatchEntries, pages: list[list[int]]) -> None:
    """Ratings are written into the site's rows now and then: nothing that decides is another one."""
    crucible = site.crucible()
    entry = site.enter(crucible)
    tell(watch, came(crucible, entry))
    site.run('UPDATE "CrucibleEntry" SET score = 1516, "voteCount" = 1, position = 1 WHERE id = %s', entry)
    site.run("UPDATE \"Crucible\" SET name = 'another' WHERE id = %s", crucible)
    pages.clear()

    tell(watch, came(crucible, entry), state(crucible))

    assert pages == []


@pytest.mark.parametrize("told", [True, False], ids=["told", "found by a sweep"])
def test_a_result_stands(site: Site, watch: WatchEntries, told: bool) -> None:
    """Prizes were paid by it: neither its end nor what is changed afterwards puts an entry out of a crucible."""
    crucible, user = site.crucible(nsfwLevel=3), site.user()
    image = site.image(user)
    entry = site.enter(crucible, user, image)
    tell(watch, came(crucible, entry))

    site.run("UPDATE \"Crucible\" SET status = 'Completed' WHERE id = %s", crucible)
    site.run('UPDATE "CrucibleEntry" SET score = 1516, position = 1 WHERE id = %s', entry)
    site.run('UPDATE "Image" SET "nsfwLevel" = 8 WHERE id = %s', image)
    if told:
        tell(watch, state(crucible), came(crucible, entry))
    else:
        site.decide()

    assert site.verdict(entry) == ("admitted", [], 0)


def test_another_policy_is_another_rule(site: Site) -> None:
    """Whoever turns from observing to enforcing has everything decided again."""
    bad = site.enter(site.crucible(nsfwLevel=2))
    site.decide(FeePolicy(observe=True))
    assert site.one("SELECT enforced FROM SCHEMA.entry_verdict") is False

    site.decide()

    assert site.verdict(bad) == ("rejected", ["level_not_allowed"], 0)
    assert site.one("SELECT enforced FROM SCHEMA.entry_verdict") is True


def test_a_sweep_goes_through_pages(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.entries.watch_entries.SWEEP_ENTRIES", 3)
    monkeypatch.setattr("watcher.entries.watch_entries.SWEEP_CRUCIBLES", 2)
    monkeypatch.setattr("watcher.entries.watch_entries.PAGE_ENTRIES", 2)
    entries = [site.enter(crucible) for crucible in (site.crucible() for _ in range(3)) for _ in range(5)]

    site.decide()
    gone = entries[::2]
    site.run('DELETE FROM "CrucibleEntry" WHERE id = ANY(%s)', gone)
    site.decide()

    assert [site.verdict(one)[0] for one in entries] == [  # type: ignore[index]
        "withdrawn" if one in gone else "admitted" for one in entries
    ]


def test_the_connection_is_kept_until_it_is_ended(site: Site) -> None:
    """Then another one is made, before anything is asked on the one that is gone."""
    opened: list[Session] = []

    @contextmanager
    def open_session() -> Iterator[Session]:
        with site.open_session() as session:
            opened.append(session)
            yield session

    unused: Any = site.heard
    watch = WatchEntries(open_session, Decider(FeePolicy(), "watch"), unused, NEVER_SECONDS)
    crucible = site.crucible(entryLimit=9)
    try:
        for _ in range(3):
            tell(watch, came(crucible, site.enter(crucible)))
        assert len(opened) == 1

        site.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'crucible-watcher'")
        last = site.enter(crucible)
        tell(watch, came(crucible, last))
    finally:
        watch.end()

    assert len(opened) == 2
    assert site.verdict(last) == ("admitted", [], 0)


def test_a_flood_is_a_question_a_thousand_entries(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site's database is asked for the facts of a page at once, and nothing for an entry by itself."""
    user, crucible = site.user(), site.crucible(entryLimit=10_000)
    site.run(
        'WITH pictures AS (INSERT INTO "Image" ("userId", url, "nsfwLevel", ingestion, "updatedAt") '
        "SELECT %s, 'picture', 1, 'Scanned', now() FROM generate_series(1, 2500) RETURNING id) "
        'INSERT INTO "CrucibleEntry" ("crucibleId", "userId", "imageId") SELECT %s, %s, id FROM pictures',
        user, crucible, user,
    )  # fmt: skip
    asked: list[str] = []
    run = Session.run
    monkeypatch.setattr(Session, "run", lambda self, query, *rest: asked.append(query) or run(self, query, *rest))

    site.decide()

    assert site.one("SELECT count(*)::int FROM SCHEMA.entry_verdict WHERE verdict = 'admitted'") == 2500
    assert sum("earlier_of_user" in query for query in asked) == 3
    assert len(asked) <= 3 * 3 + 12


def test_who_decides_and_who_ends_a_crucible_wait_for_each_other(site: Site) -> None:
    """Both take one lock, whether they know the crucible or its entries; another crucible's is another one."""
    crucible, other = site.crucible(), site.crucible()
    entry = site.enter(crucible)
    impatient = partial(site.open_session, timeout=0.2)

    with site.open_session() as decides, decides.together():
        assert entry_facts.lock_crucibles_of(decides, [entry]) == [crucible]
        with impatient() as ends, ends.together():
            entry_facts.lock_crucible(ends, other)
        with impatient() as ends, pytest.raises(TemporaryError), ends.together():
            entry_facts.lock_crucible(ends, crucible)
