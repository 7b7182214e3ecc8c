"""The standings move while one looks, and the chart shows how a rating went."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx

from tests.arena.conftest import Tabs, shot
from tests.arena.ears import hears
from tests.awaiting import await_that

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

    from tests.arena.site import Contest
    from tests.arena.world import World


def judge(world: World, contest: Contest, times: int, favourite: int | None = None) -> None:
    """Somebody else votes through the API; for the favourite whenever it is shown."""
    user = world.site.user()
    headers = {"Authorization": f"Bearer {world.voting.sign_in.token(user)}"}
    with httpx.Client(base_url=f"{world.voting.at.api}/v1/crucibles/{contest.id}", headers=headers) as client:
        for _ in range(times):
            pair = client.get("/pair").raise_for_status().json()
            left, right = pair["left"]["entryId"], pair["right"]["entryId"]
            winner, loser = (
                (right, left) if right == favourite or (left != favourite and right < left) else (left, right)
            )
            vote = {"winner": winner, "loser": loser, "token": pair["token"]}
            client.post("/votes", json=vote).raise_for_status()


def look(world: World, tabs: Tabs, contest: Contest, *, motion: bool = False) -> Page:
    """The page of whoever owns all entries: who judges does not see those of the pair on the board."""
    page = tabs.open(world.open(contest, world.site.owner), wait=False, motion=motion)
    page.get_by_role("heading", name="Nothing to judge yet").wait_for()
    tabs.troubles.clear()  # the console reports that there is no pair
    return page


def board(page: Page) -> list[tuple[str, str]]:
    """Entry and rating of each row, best first."""
    return page.evaluate(
        "[...document.querySelectorAll('#rows .row')].map((r) => [r.querySelector('b').textContent,"
        " r.querySelector('.rating').textContent])"
    )


def test_standings_move_live(world: World, tabs: Tabs) -> None:
    """Votes of others show on the open page, in the order and with the numbers of Redis; rows keep focus and choice."""
    contest = world.site.contest(5)
    page = look(world, tabs, contest, motion=True)
    page.locator("#rows .row").nth(4).wait_for()
    page.get_by_text("live", exact=True).wait_for()
    last = contest.entries[-1]
    page.get_by_role("button", name=f"entry {last}, rating 1500").click()
    judge(world, contest, 10, favourite=last)
    page.get_by_role("button", name=re.compile(f"^Place 1: entry {last}, rating 15[4-9]")).wait_for()

    due = sorted(world.ratings(contest).items(), key=lambda one: (-one[1], one[0]))
    await_that(lambda: board(page) == [[f"Entry {entry}", str(rating)] for entry, rating in due], "the whole order")
    page.locator("#facts", has_text="5 entries · 10 votes").wait_for()
    row = page.locator("#rows .row").first
    assert row.get_attribute("aria-pressed") == "true"
    assert row.evaluate("(one) => one === document.activeElement")
    assert page.locator("#rows .row[aria-pressed=true]").count() == 1
    shot(page, "board")


def test_board_shows_images(world: World, tabs: Tabs) -> None:
    """Rows in view get the image of their entry."""
    page = look(world, tabs, world.site.contest(3))

    await_that(lambda: page.locator("#rows img.thumb").count() == 3, "three small images")


def test_chart_of_a_chosen_entry(world: World, tabs: Tabs) -> None:
    """The chart has a step for each vote of the entry, as ClickHouse has them, and says it in words."""
    contest = world.site.contest(5)
    world.open(contest)
    chosen = contest.entries[2]
    judge(world, contest, 10, favourite=chosen)
    await_that(lambda: len(_points(world, contest, chosen)) == 4, "the votes to be in ClickHouse")
    first, *_, rating = _points(world, contest, chosen)
    assert rating == world.ratings(contest)[chosen]
    page = look(world, tabs, contest)
    page.get_by_role("button", name=re.compile(f": entry {chosen},")).click()
    chart = page.get_by_role(
        "img", name=re.compile(rf"^Rating of entry {chosen}: {first} at .*, now {rating}; lowest {first}")
    )
    chart.wait_for()

    way = page.locator("#chart path.way").get_attribute("d") or ""
    assert way.count("V") == 3, way
    assert page.locator("#past-read").inner_text() == str(rating)
    box = chart.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2)
    assert re.match(r"15\d\d at \d", page.locator("#past-read").inner_text())
    shot(page, "chart")


def test_chart_of_an_entry_whose_past_is_not_to_be_had(world: World, tabs: Tabs) -> None:
    """The line of the entry before must not stand under this one's name."""
    contest = world.site.contest(3)
    world.open(contest)
    first, second = contest.entries[:2]
    judge(world, contest, 3, favourite=first)
    await_that(lambda: len(_points(world, contest, first)) > 0, "the votes to be in ClickHouse")
    page = tabs.open("about:blank", wait=False)
    gone = {
        "status": 404,
        "content_type": "application/problem+json",
        "body": '{"status": 404, "code": "unknown_entry", "title": "Gone astray"}',
    }
    page.route(re.compile(rf"/entries/{second}/history$"), lambda route: route.fulfill(**gone))
    page.goto(world.open(contest, world.site.owner))
    page.get_by_role("button", name=re.compile(f": entry {first},")).click()
    page.get_by_role("img", name=re.compile(f"^Rating of entry {first}:")).wait_for()

    page.get_by_role("button", name=re.compile(f": entry {second},")).click()
    page.get_by_text("Gone astray", exact=True).wait_for()
    assert page.locator("#past-title").inner_text() == f"Rating of entry {second}"
    assert page.locator("#chart path.way").count() == 0
    tabs.troubles = [one for one in tabs.troubles if "404" not in one]


def test_chart_goes_on_live(world: World, tabs: Tabs) -> None:
    """A vote on the charted entry adds a point to an empty chart, without asking again."""
    contest = world.site.contest(2)
    page = look(world, tabs, contest)
    page.get_by_role("img", name=f"entry {contest.entries[0]} has no votes yet").wait_for()
    judge(world, contest, 1, favourite=contest.entries[0])

    page.get_by_role("img", name=re.compile(f"^Rating of entry {contest.entries[0]}: 1516 at .*, now 1516")).wait_for()


def test_stream_comes_back(world: World, tabs: Tabs) -> None:
    """A stream that breaks is said to be gone, and comes back by itself with what was missed."""
    contest = world.site.contest(3)
    page = tabs.open("about:blank", wait=False)
    broken: list[str] = []

    def break_once(route: Route) -> None:
        broken.append(route.request.url)
        if len(broken) == 1:
            event = 'event: standings\ndata: {"entries": [], "total": 0, "version": "1-0"}\n\n'
            route.fulfill(status=200, content_type="text/event-stream", body=event)
        else:
            route.continue_()

    page.route("**/stream", break_once)
    page.goto(world.open(contest, world.site.owner))
    page.get_by_text("reconnecting", exact=True).wait_for()
    judge(world, contest, 1)

    page.get_by_role("button", name=re.compile("rating 1516, 1 vote")).wait_for()
    assert len(broken) == 2
    tabs.troubles = [one for one in tabs.troubles if "404" not in one]  # who owns all entries has no pair


SHOWN = "([hidden]) => { Object.defineProperty(document, 'hidden', { get: () => hidden, configurable: true }); }"


def show_tab(page: Page, *, hidden: bool) -> None:
    """Have the page believe that its tab is hidden, or shown again; a browser without windows shows all of them."""
    page.evaluate(SHOWN, [hidden])
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_hidden_tabs_leave_connections_to_others(world: World, tabs: Tabs) -> None:
    """A browser has six of them to a server: with a stream in each of as many tabs no vote would get through."""
    contest = world.site.contest(8)
    judge_id = world.site.user()
    first = tabs.open(world.open(contest, judge_id))
    tab = first
    for _ in range(6):
        show_tab(tab, hidden=True)
        tab = tabs.beside(first, world.open(contest, judge_id))
        tab.get_by_text("live", exact=True).wait_for()
    first.get_by_text("reconnecting", exact=True).wait_for()

    with hears(tab, "You chose the left image"):
        tab.keyboard.press("a")
    show_tab(first, hidden=False)

    first.get_by_text("live", exact=True).wait_for()
    first.locator("#facts", has_text="8 entries · 1 vote").wait_for()


def _points(world: World, contest: Contest, entry: int) -> list[int]:
    """An entry's rating after each of its votes, as the API has it of ClickHouse."""
    headers = {"Authorization": f"Bearer {world.voting.sign_in.token(world.site.user())}"}
    path = f"/v1/crucibles/{contest.id}/entries/{entry}/history"
    points = httpx.get(world.voting.at.api + path, headers=headers).raise_for_status().json()["points"]
    return [point["rating"] for point in points]
