"""Whatever happens instead of two images, the page says what it is, and goes on by itself where that helps."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.arena.conftest import Tabs, pair_is_there, shot
from tests.arena.ears import hears
from tests.awaiting import await_that

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

    from tests.arena.world import World

VOTES = re.compile(r"/votes$")
PAIR = re.compile(r"/pair$")
CRUCIBLE = re.compile(r"/crucibles/\d+$")


def says(page: Page, title: str) -> None:
    """Wait for a notice in place of the pair; one that is there for a moment only, before a pair comes, is none."""
    heading = page.get_by_role("heading", name=title)
    buttons = page.get_by_role("button", name=re.compile("Vote for|Skip this pair"))
    await_that(lambda: heading.is_visible() and buttons.count() == 0, f"the notice {title!r}")


def problem(status: int, code: str, **headers: str) -> dict[str, Any]:
    """An answer of the API that is a refusal."""
    body = json.dumps({"status": status, "code": code, "title": code})
    return {"status": status, "content_type": "application/problem+json", "headers": headers, "body": body}


@pytest.fixture
def refused(tabs: Tabs) -> Tabs:
    """Tabs in which the console may report refused requests."""
    keep = tabs.troubles

    class Forgiving(list[str]):
        def append(self, one: str) -> None:
            if not one.startswith("console: Failed to load resource"):
                keep.append(one)

    tabs.troubles = Forgiving()
    return tabs


def test_without_a_token(world: World, refused: Tabs) -> None:
    """No token: the page asks to sign in, and asks the API for nothing."""
    asked: list[str] = []
    page = refused.open("about:blank", wait=False)
    page.on("request", lambda request: asked.append(request.url) if "/v1/" in request.url else None)
    page.goto(world.open(world.site.contest(2)).partition("#")[0])

    says(page, "Please sign in")
    assert asked == []
    shot(page, "signed-out")


def test_token_that_is_not_valid(world: World, refused: Tabs) -> None:
    """A forged token is told from none; and a good one, put into the address of the open page, is taken."""
    address = world.open(world.site.contest(2))
    page = refused.open(address + "forged", wait=False)
    says(page, "Your sign-in is damaged")

    page.evaluate("(hash) => { location.hash = hash; }", address.partition("#")[2])
    pair_is_there(page)


@pytest.mark.parametrize("token", ["", "cut.off", "\u20ac.\u20ac.\u20ac", "a.b.c%0A"])
def test_token_that_is_none(world: World, refused: Tabs, token: str) -> None:
    """What cannot be a token is not even sent, and is told from a missing one."""
    asked: list[str] = []
    page = refused.open("about:blank", wait=False)
    page.on("request", lambda request: asked.append(request.url) if "/v1/" in request.url else None)
    page.goto(world.open(world.site.contest(2)).partition("#")[0] + f"#token={token}")

    says(page, "Your sign-in is damaged")
    assert asked == []


def test_banned(world: World, refused: Tabs) -> None:
    """A banned user is told so."""
    contest = world.site.contest(2)
    world.open(contest)
    user = world.site.user(banned=True)
    page = refused.open(world.voting.page(contest.id, user), wait=False)

    says(page, "You cannot vote")
    assert page.locator("#notice").get_attribute("data-tone") == "bad"


def test_all_judged_and_new_entries(world: World, refused: Tabs) -> None:
    """After the only pair there is nothing left; looking again is a click."""
    page = refused.open(world.open(world.site.contest(2)))
    page.keyboard.press("d")
    says(page, "You have judged every pair")
    page.get_by_text(re.compile(r"^Entry \d+ leads with 1516\.$")).wait_for()
    page.get_by_text("You cast 1 vote, and your choice stands above the other.", exact=True).wait_for()
    shot(page, "all-judged-outlook")
    page.get_by_role("button", name="Look again").click()

    says(page, "You have judged every pair")


@pytest.mark.parametrize(
    ("status", "starts", "ends", "title", "clock"),
    [
        ("Active", -60, -1, "This crucible has ended", r"ended"),
        ("Active", 3600, 7200, "This crucible has not begun", r"59:|1:00:0"),
    ],
)
def test_not_open(world: World, refused: Tabs, status: str, starts: int, ends: int, title: str, clock: str) -> None:
    """Before the start and after the end nothing is judged, and the clock says why."""
    contest = world.site.contest(3, status=status, starts=starts, ends=ends)
    page = refused.open(world.open(contest), wait=False)

    says(page, title)
    assert re.match(clock, page.get_by_role("timer").inner_text())


def test_end_comes_while_judging(world: World, refused: Tabs) -> None:
    """The clock counts down to the end, and then the page closes the vote by itself."""
    contest = world.site.contest(3, ends=20)  # time for a busy machine to open the page
    page = refused.open(world.open(contest))
    # A second more may be shown: the page knows the server's time from a header that has whole seconds.
    assert re.fullmatch(r"0:(2[01]|[01]\d)", page.get_by_role("timer").inner_text())

    says(page, "This crucible has ended")
    page.get_by_role("timer").get_by_text("ended", exact=True).wait_for()  # it moves once a second


def test_end_comes_later_than_the_page_thinks(world: World, refused: Tabs) -> None:
    """The server's time is known to half a second: a pair may come although the clock shows the end."""
    contest = world.site.contest(3, ends=20)
    page = refused.open("about:blank", wait=False)

    def early(route: Route) -> None:
        answer = route.fetch()
        date = parsedate_to_datetime(answer.headers["date"]) + timedelta(seconds=3)
        route.fulfill(response=answer, headers={**answer.headers, "date": format_datetime(date, usegmt=True)})

    page.route(re.compile(r"/crucibles/\d+(/pair)?$"), early)
    page.goto(world.open(contest))

    # Without a look at the buttons: the notice may be there for a moment only, before the pair that comes after it.
    page.get_by_role("heading", name="This crucible has ended").wait_for()


def test_begin_comes_while_the_server_is_busy(world: World, refused: Tabs) -> None:
    """The clock goes on to the end by itself: it does not say that a crucible has ended which has just begun."""
    contest = world.site.contest(3, starts=20)  # time for a busy machine to open the page
    page = refused.open("about:blank", wait=False)
    looks: list[str] = []

    def once(route: Route) -> None:
        looks.append(route.request.url)
        if len(looks) == 1:
            route.continue_()
        else:
            route.fulfill(**problem(503, "unverified"))

    page.route(CRUCIBLE, once)
    page.goto(world.open(contest))
    says(page, "This crucible has not begun")

    pair_is_there(page)
    await_that(lambda: page.locator("#clock-label").inner_text() != "starts in", "the clock to notice")
    assert page.locator("#clock-label").inner_text() == "ends in"
    assert re.match(r"59:|1:00:0", page.locator("#clock").inner_text())


def test_a_look_that_fails_is_repeated_soon(world: World, refused: Tabs) -> None:
    """503 to what the page asks of the crucible itself: it does not wait for the next of its rare looks."""
    page = refused.open("about:blank", wait=False)
    _first_answers(page, CRUCIBLE, *[problem(503, "unverified")] * 3)
    page.goto(world.open(world.site.contest(3)))
    pair_is_there(page)

    page.get_by_role("heading", name="Crucible of tests").wait_for(timeout=20_000)  # the rare ones are 30 s apart


def test_unknown_crucible(world: World, refused: Tabs) -> None:
    """An address of no crucible is said to be one."""
    page = refused.open(world.voting.page(2_000_000_000, world.site.user()), wait=False)

    says(page, "There is no such crucible")


def test_too_quick_waits_as_long_as_told(world: World, refused: Tabs) -> None:
    """429: the vote waits for Retry-After, is sent again, and counts once."""
    contest = world.site.contest(4)
    page = refused.open("about:blank", wait=False)
    sent = _first_answers(page, VOTES, problem(429, "rate_limited", **{"Retry-After": "1"}))
    page.goto(world.open(contest))
    pair_is_there(page)
    with hears(page, "You are quick! Going on in", "You chose the left image"):
        page.keyboard.press("a")

    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert world.votes(contest) == 1


def test_busy_server_is_asked_again(world: World, refused: Tabs) -> None:
    """503: said, and asked again until it answers."""
    page = refused.open("about:blank", wait=False)
    sent = _first_answers(page, PAIR, *[problem(503, "unverified", **{"Retry-After": "0"})] * 3)
    with hears(page, *["The server is busy with its records."] * 3):
        page.goto(world.open(world.site.contest(3)))
    pair_is_there(page)

    assert len(sent) == 4
    assert page.get_by_role("status").first.inner_text() == ""


def test_vote_survives_a_lost_network(world: World, refused: Tabs) -> None:
    """A vote whose answer is lost is sent again when the network is back, and counts once."""
    contest = world.site.contest(4)
    page = refused.open("about:blank", wait=False)
    sent: list[str] = []

    def lose(route: Route) -> None:
        sent.append(route.request.post_data or "")
        if len(sent) == 1:
            route.fetch()  # it arrives, but the answer does not
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route(VOTES, lose)
    page.goto(world.open(contest))
    pair_is_there(page)
    with hears(page, "No answer from the server.", "You chose the left image"):
        page.keyboard.press("a")

    assert len(sent) == 2
    assert world.votes(contest) == 1


def test_offline_is_said_and_left(world: World, refused: Tabs) -> None:
    """Offline the page says so and waits; online again it goes on at once."""
    contest = world.site.contest(4)
    page = refused.open(world.open(contest))
    page.context.set_offline(True)
    await_that(lambda: page.evaluate("!navigator.onLine"), "the page to know")
    with hears(page, "You are offline."):
        page.keyboard.press("d")
    shot(page, "offline")
    with hears(page, "You chose the right image"):
        page.context.set_offline(False)

    assert world.votes(contest) == 1


def test_refused_vote_moves_on(world: World, refused: Tabs) -> None:
    """A vote that cannot count any more is explained, and the next pair comes."""
    page = refused.open("about:blank", wait=False)
    codes = ("judged_otherwise", "pair_token_expired", "not_admitted")
    sent = _first_answers(page, VOTES, *(problem(409, code) for code in codes))
    page.goto(world.open(world.site.contest(6)))
    for number, code in enumerate(codes, 1):
        pair_is_there(page)
        with page.expect_response(PAIR), hears(page, re.compile("stands|Here is another")):
            page.keyboard.press("a")

        pair_is_there(page)
        assert len(sent) == number, code


def _first_answers(page: Page, path: re.Pattern[str], *answers: dict[str, Any]) -> list[str | None]:
    """Answer the first requests to a path so, let the others through; the bodies that were sent.

    For a page that is still to be opened: in one that is there the next request may yet go by the old way.
    """
    sent: list[str | None] = []

    def answer(route: Route) -> None:
        sent.append(route.request.post_data)
        if len(sent) <= len(answers):
            route.fulfill(**answers[len(sent) - 1])
        else:
            route.continue_()

    page.route(path, answer)
    return sent
