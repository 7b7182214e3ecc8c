"""An entrant is told how the own entries stand, and everybody reads what is said about the crucible."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.arena.conftest import Tabs, shot
from tests.arena.test_reach import COLOURS_STAND, CONTRAST, SCHEMES
from tests.awaiting import await_that
from watcher.model.entry_verdict import SENTENCES, EntryReason

if TYPE_CHECKING:
    from tests.arena.world import World


def test_an_entrant_sees_how_each_entry_stands(world: World, tabs: Tabs) -> None:
    """Newest first: in, not in with every reason, waiting with what it waits for, waiting to be looked at."""
    contest, user = world.site.contest(2), world.site.user()
    address = world.open(contest, user)
    undecided, waiting, rejected, admitted = (world.site.enter(contest, user) for _ in range(4))
    world.site.decide(waiting, "waiting", "image_not_scanned")
    world.site.decide(rejected, "rejected", "user_limit", "level_not_allowed")
    world.site.decide(admitted, "admitted")
    page = tabs.open(address)
    panel = page.get_by_role("region", name="Your entries")
    panel.wait_for()
    shot(page, "entrant")

    assert [[*filter(None, text.split("\n"))] for text in panel.get_by_role("listitem").all_inner_texts()] == [
        [f"Entry {admitted} in"],
        [
            f"Entry {rejected} not in",
            SENTENCES[EntryReason.USER_LIMIT],
            SENTENCES[EntryReason.LEVEL_NOT_ALLOWED],
        ],
        [f"Entry {waiting} waiting", SENTENCES[EntryReason.IMAGE_NOT_SCANNED]],
        [f"Entry {undecided} waiting"],
    ]


def test_a_verdict_that_comes_is_said_aloud(world: World, tabs: Tabs) -> None:
    """What was waiting and is in is announced at the next look, once; nothing is when the page opens."""
    contest, user = world.site.contest(2), world.site.user()
    address = world.open(contest, user)
    entry = world.site.enter(contest, user)
    page = tabs.open("about:blank", wait=False)
    page.clock.install()
    page.goto(address)
    page.get_by_role("region", name="Your entries").get_by_text("waiting").wait_for()
    before = page.locator("#said").inner_text()
    world.site.decide(entry, "admitted")
    page.clock.fast_forward(31_000)
    page.get_by_role("status").get_by_text(f"Your entry {entry} is in.").wait_for()

    assert "Your entry" not in before


def test_who_has_no_entry_has_no_panel(world: World, tabs: Tabs) -> None:
    """Neither seen nor heard of by who only judges."""
    page = tabs.open("about:blank", wait=False)
    with page.expect_response(re.compile("/entries/mine$")) as answered:
        page.goto(world.open(world.site.contest(4)))
    assert answered.value.json() == {"entries": []}
    page.locator("#rows .row").nth(1).wait_for()

    assert page.get_by_role("region", name="Your entries").count() == 0


def test_how_entries_stand_can_be_read(world: World, tabs: Tabs) -> None:
    """By the AA rule, 4.5 to 1, and nothing is wider than a phone."""
    contest, user = world.site.contest(2), world.site.user()
    address = world.open(contest, user)
    for verdict, *reasons in (("admitted",), ("rejected", "no_resources_detected"), ("waiting", "fee_pending")):
        world.site.decide(world.site.enter(contest, user), verdict, *reasons)
    page = tabs.open(address, phone=True)
    page.get_by_role("region", name="Your entries").wait_for()
    texts = [f".own [data-verdict={one}] .stands" for one in ("admitted", "rejected", "waiting")]
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        await_that(lambda: page.evaluate(COLOURS_STAND), "no transition of colour to be under way")
        shot(page, f"entrant-phone-{scheme}")

        ratios = page.evaluate(CONTRAST, [*texts, ".own b", ".own .soft", "#discuss"])
        assert (scheme, [one for one, ratio in ratios if ratio < 4.5]) == (scheme, [])
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_on_a_phone_no_reason_is_cut_off(world: World, tabs: Tabs) -> None:
    """In one column the page scrolls, and not the list: its end between two reasons looked as if it were all."""
    contest, user = world.site.contest(2), world.site.user()
    address = world.open(contest, user)
    for _ in range(8):
        world.site.decide(world.site.enter(contest, user), "rejected", "user_limit", "level_not_allowed")
    page = tabs.open(address, phone=True)
    entries = page.get_by_role("region", name="Your entries").get_by_role("list")
    entries.wait_for()

    assert entries.get_by_role("listitem").count() == 8
    assert entries.evaluate("(one) => one.scrollHeight - one.clientHeight") == 0


def test_the_discussion_is_read_in_the_dialog(world: World, tabs: Tabs) -> None:
    """All of it, page by page, as text; the focus comes back to the button."""
    contest = world.site.contest(2)
    texts = ["<b>Which one</b> is it?", *(f"Remark number {number}" for number in range(2, 24))]
    world.site.discuss(contest.id, *texts)
    page = tabs.open(world.open(contest))
    button = page.get_by_role("button", name="Discussion")
    button.click()
    dialog = page.get_by_role("dialog", name="Discussion of this crucible")
    dialog.get_by_text("20 of 23 shown").wait_for()
    dialog.get_by_role("button", name="More comments").click()
    dialog.get_by_text("23 of 23 shown").wait_for()
    read = page.locator("#comments-list li p").all_inner_texts()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")

    assert read == ["Which one is it?", *texts[1:]]
    assert button.evaluate("(one) => one === document.activeElement")


def test_a_crucible_of_which_nothing_is_said(world: World, tabs: Tabs) -> None:
    """It says so; and the comments of an image, opened next, are of that image."""
    contest = world.site.contest(2)
    for image in contest.images.values():
        world.site.comment(image, "Of an image")
    page = tabs.open(world.open(contest))
    page.get_by_role("button", name="Discussion").click()
    page.get_by_text("Nothing was said about this crucible yet.").wait_for()
    page.get_by_role("button", name="Close the comments").click()
    page.get_by_role("button", name="1 comment on the left image").click()

    page.get_by_role("dialog", name="Comments on the left image").get_by_text("Of an image").wait_for()
