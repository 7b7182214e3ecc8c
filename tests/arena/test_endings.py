"""The crucible ends while one judges: votes are over, and then the result comes in, with podium, prizes and proof."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.arena.conftest import Tabs, shot
from tests.arena.test_states import refused, says
from tests.awaiting import await_that

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

    from tests.arena.world import World

__all__ = ["refused"]
VOTES = re.compile(r"/votes$")


def podium(page: Page) -> list[list[str]]:
    """Place, entry with rating, and prize of each row."""
    return page.evaluate(
        "[...document.querySelectorAll('#result li')].map((row) => ['.place', '.who', '.prize']"
        ".map((part) => row.querySelector(part).textContent))"
    )


def test_the_result_comes_in(world: World, tabs: Tabs) -> None:
    """Nothing is asked of whoever waits, nothing looks like a fault: each step is said, and the end is the result."""
    contest = world.site.contest(4, name="The end of it")
    page = tabs.open(world.open(contest))
    assert page.get_by_role("heading", name="Result").count() == 0
    world.freeze(contest)
    says(page, "Voting is over")
    assert page.locator("#notice").get_attribute("data-tone") == "calm"
    world.freeze(contest, "proven")
    world.settle(contest, 2_500, 1_500)
    says(page, "This crucible has ended")
    page.get_by_text(f"Entry {contest.entries[0]} has won with 1599.", exact=True).wait_for()
    page.get_by_text("You did not vote here.", exact=True).wait_for()
    page.get_by_role("heading", name="Result").wait_for()
    page.get_by_text("final", exact=True).wait_for()  # the stream's last word
    page.locator("#result img").nth(2).wait_for()
    shot(page, "result")

    first, second, third, _ = contest.entries
    assert podium(page) == [
        ["1", f"Entry {first} rating 1599, 2 votes", "2,500 Buzz"],
        ["2", f"Entry {second} rating 1598, 2 votes", "1,500 Buzz"],
        ["3", f"Entry {third} rating 1597, 2 votes", ""],
    ]
    page.get_by_text("Proof", exact=True).click()
    page.get_by_text("ab" * 32, exact=True).wait_for()
    page.get_by_text(re.compile("^All 1,234 votes were cast once more")).wait_for()
    assert page.get_by_text("Pool 4,001 Buzz, prizes 4,000 Buzz, remainder 1 Buzz").is_visible()
    await_that(lambda: page.get_by_role("timer").inner_text() == "ended", "the clock says so")


def test_a_vote_in_the_moment_of_the_freeze(world: World, refused: Tabs) -> None:
    """It is refused, and the page says that voting is over; whoever comes later sees the result at once."""
    contest = world.site.contest(3)
    page = refused.open("about:blank", wait=False)

    def freeze_first(route: Route) -> None:
        world.freeze(contest)
        route.continue_()

    page.route(VOTES, freeze_first)
    page.goto(world.open(contest))
    page.get_by_role("button", name="Vote for the left image").click()
    says(page, "Voting is over")
    assert world.votes(contest) == 0
    world.settle(contest, 70)
    says(page, "This crucible has ended")

    later = refused.open(world.open(contest), wait=False)
    says(later, "This crucible has ended")
    later.get_by_role("heading", name="Result").wait_for()
    assert podium(later)[0] == ["1", f"Entry {contest.entries[0]} rating 1599, 2 votes", "70 Buzz"]
