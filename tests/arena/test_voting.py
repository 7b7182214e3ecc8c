"""People vote on the page, with keys, clicks and taps, and it counts."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING

import pytest

from tests.arena.conftest import Tabs, pair_is_there, shot
from tests.arena.ears import hears
from tests.awaiting import await_that

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

    from tests.arena.world import World


def shown_pair(page: Page) -> list[str]:
    """Addresses of the two images, the left one first."""
    return page.evaluate("[...document.querySelectorAll('.frame img:not(.halo)')].map((i) => i.src)")


def vote(page: Page, world: World, how: str) -> None:
    """Vote one way and wait until the page has said that it counted."""
    button = page.get_by_role("button", name="Vote for the left image" if "left" in how else "Vote for the right image")
    with hears(page, "You chose the"):
        if how.startswith("click"):
            button.click()
        elif how.startswith("enter"):
            button.focus()
            page.keyboard.press("Enter")
        else:
            page.keyboard.press(how.partition(" ")[0])


@pytest.mark.parametrize(
    "how",
    ["a left", "ArrowLeft left", "A left", "d right", "ArrowRight right", "click left", "click right", "enter right"],
)
def test_vote_reaches_redis(world: World, tabs: Tabs, how: str) -> None:
    """A key, a click or Enter on a focused image casts one vote for that side, and another pair comes."""
    contest = world.site.contest(5)
    page = tabs.open(world.open(contest))
    assert all(pair_is_there(page))
    images = {f"/image-{_name(world, image)}": entry for entry, image in contest.images.items()}
    left, right = (images["/" + url.rpartition("/")[2]] for url in shown_pair(page))

    vote(page, world, how)
    ratings = world.ratings(contest)
    assert world.votes(contest) == 1
    won, lost = (left, right) if "left" in how else (right, left)
    assert (ratings.pop(won), ratings.pop(lost)) == (1516, 1484)
    assert set(ratings.values()) == {1500}
    pair_is_there(page)
    assert page.get_by_role("status").get_by_text("+16").count() == 0
    assert page.locator("#facts").inner_text().endswith("1 by you")


def test_points_of_a_vote_are_shown(world: World, tabs: Tabs) -> None:
    """Beside the next pair, which waits for nothing: both images of the last one, and how many points went over."""
    page = tabs.open(world.open(world.site.contest(4)))
    left, right = shown_pair(page)
    with hears(page, "You chose the left image: it rose by 16 to 1516."):
        page.keyboard.press("a")

    points = (
        "[...document.querySelectorAll('#last > span')].map((one) => [one.querySelector('img').src, one.innerText])"
    )
    assert page.evaluate(points) == [[left, "+16"], [right, "\u221216"]]
    pair_is_there(page)
    shot(page, "voted")


def test_skip_casts_nothing(world: World, tabs: Tabs) -> None:
    """S, and the button, bring another pair and no vote."""
    contest = world.site.contest(8)
    page = tabs.open(world.open(contest))
    first = set(shown_pair(page))
    with page.expect_response("**/skips"), hears(page, "Skipped."):
        page.keyboard.press("s")
    pair_is_there(page)
    second = shown_pair(page)
    with page.expect_response("**/skips"), hears(page, "Skipped."):
        page.get_by_role("button", name="Skip this pair").click()
    pair_is_there(page)

    assert set(second) != first
    assert set(shown_pair(page)) != set(second)
    assert world.votes(contest) == 0


def test_skips_that_are_used_up(world: World, tabs: Tabs) -> None:
    """The page says so in words, the pair stays and may be voted on; a vote later there may be skips again."""
    contest = world.site.contest(8)
    page = tabs.open(world.open(contest))
    for _ in range(3):
        with hears(page, "Skipped."):
            page.keyboard.press("s")
        pair_is_there(page)
    seen = shown_pair(page)
    with hears(page, "You have skipped too many pairs. Judge some, and you may skip again."):
        page.keyboard.press("s")
    shot(page, "skips-exhausted")

    pair_is_there(page)
    assert shown_pair(page) == seen
    for _ in range(3):
        vote(page, world, "d right")
    with hears(page, "Skipped."):
        page.keyboard.press("s")
    tabs.troubles = [one for one in tabs.troubles if "429" not in one]


def test_a_skipped_pair_does_not_come_again(world: World, tabs: Tabs) -> None:
    """After the only pair was skipped there is nothing left."""
    page = tabs.open(world.open(world.site.contest(2)))
    with hears(page, "Skipped."):
        page.keyboard.press("s")

    page.locator("#notice[data-code=all_judged]").wait_for()
    tabs.troubles = [one for one in tabs.troubles if "404" not in one]  # the console reports the refusal


def test_the_pair_that_follows_is_there_at_once(world: World, tabs: Tabs) -> None:
    """Its images are loaded before: a key is enough, without an answer of the API, and it may be voted on, too."""
    contest = world.site.contest(8)
    page = tabs.open("about:blank", wait=False)
    asked: list[str] = []
    held: list[Route] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    page.route(re.compile(r"/votes$"), lambda route: held.append(route))  # noqa: PLW0108 - a method in C is taken for no handler
    page.goto(world.open(contest))
    pair_is_there(page)
    images = re.compile(r"image-\d+$")
    await_that(lambda: page.evaluate("1") and len(set(filter(images.match, asked))) >= 4, "images of both pairs")
    first = shown_pair(page)
    page.keyboard.press("a")
    second = shown_pair(page)
    assert set(first).isdisjoint(second) or first != second
    assert all(pair_is_there(page))
    page.keyboard.press("d")  # not dropped; it waits for the answer to the first
    page.locator("#duel[aria-busy=true]").wait_for()
    await_that(lambda: page.evaluate("1") and len(held) == 1, "the first vote to be sent")
    assert world.votes(contest) == 0
    asked.clear()
    with hears(page, "You chose the left image", "You chose the right image"):
        held[0].continue_()
        await_that(lambda: page.evaluate("1") and len(held) == 2, "the second vote to be sent")
        held[1].continue_()

    assert all(pair_is_there(page))
    assert world.votes(contest) == 2
    assert "pair" not in asked, "the answer to a vote brings the pair after it"


def test_keys_can_be_switched_off(world: World, tabs: Tabs) -> None:
    """With shortcuts off a letter does nothing, and on again it votes."""
    contest = world.site.contest(4)
    page = tabs.open(world.open(contest))
    switch = page.get_by_role("checkbox", name="Keyboard shortcuts")
    switch.uncheck()
    page.locator("body").press("a")
    page.locator("body").press("Control+a")
    switch.check()
    page.locator("body").press("Control+d")
    assert page.locator("#duel").get_attribute("aria-busy") == "false"
    with hears(page, "You chose the right image"):
        page.locator("body").press("d")

    assert world.votes(contest) == 1


def test_a_held_key_votes_once(world: World, tabs: Tabs) -> None:
    """Keys that repeat because they are held down, and clicks on a pair that is decided, cast no second vote."""
    contest = world.site.contest(6)
    page = tabs.open(world.open(contest))
    with hears(page, "You chose the left image"):
        page.keyboard.down("a")
        for _ in range(5):
            page.keyboard.down("a")  # the driver marks these as repeats
        page.keyboard.up("a")
    pair_is_there(page)

    assert world.votes(contest) == 1
    page.get_by_role("button", name="Vote for the left image").focus()
    with hears(page, "You chose the left image"):
        for _ in range(20):
            page.keyboard.down("Enter")  # which clicks each time that it is repeated
        page.keyboard.up("Enter")
    pair_is_there(page)
    assert page.locator("#facts").inner_text().endswith("2 by you")
    with hears(page, "You chose the right image"):
        page.get_by_role("button", name="Vote for the right image").dblclick()
    pair_is_there(page)
    with hears(page, "You chose the left image"):  # an answer after all answers to what was clicked before
        page.keyboard.press("a")

    assert world.votes(contest) == 4


def test_every_pair_by_keyboard_alone(world: World, tabs: Tabs) -> None:
    """Tab to an image, Enter, until all is judged; the focus never gets lost, and at last it is on the notice."""
    contest = world.site.contest(4)
    page = tabs.open(world.open(contest))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the two images"
    page.keyboard.press("Tab")
    for done in range(1, 7):
        assert page.evaluate("document.activeElement.ariaLabel") == "Vote for the left image"
        page.keyboard.press("Enter")
        page.locator("#facts", has_text=re.compile(rf"\b{done} by you$")).wait_for()
        page.locator("#duel[aria-busy=false], #notice:not([hidden])").first.wait_for()
    page.get_by_role("heading", name="You have judged every pair").wait_for()

    assert world.votes(contest) == 6
    assert page.evaluate("document.activeElement.id") == "notice-title"
    shot(page, "all-judged")
    tabs.troubles = [one for one in tabs.troubles if "404" not in one]  # the console reports the refusal


RECORD = """
async () => {
  const canvas = document.createElement("canvas");
  const brush = canvas.getContext("2d");
  const painting = setInterval(() => {
    brush.fillStyle = `hsl(${performance.now() % 360} 90% 50%)`;
    brush.fillRect(0, 0, 300, 150);
  }, 20);
  const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: "video/webm" });
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  recorder.start();
  await new Promise((resolve) => setTimeout(resolve, 600));
  await new Promise((resolve) => { recorder.onstop = resolve; recorder.stop(); });
  clearInterval(painting);
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  return btoa(String.fromCharCode(...bytes));
}
"""
"""Makes a short video with the browser's own means."""


def test_video_plays_muted(world: World, tabs: Tabs) -> None:
    """An entry that is a video plays by itself, without sound, over and over, inside the page, and can be voted for."""
    contest = world.site.contest(2, video="clip")
    page = tabs.open("about:blank", wait=False, motion=True)
    video = b64decode(page.evaluate(RECORD))
    page.route("**/clip", lambda route: route.fulfill(body=video, content_type="video/webm"))
    page.goto(world.open(contest))
    pair_is_there(page)
    playing = "[...document.querySelectorAll('video')].every((one) => !one.paused && one.currentTime > 0)"
    await_that(lambda: page.evaluate(playing), "both play")

    facts = "[...document.querySelectorAll('video')].map((one) => [one.muted, one.loop, one.playsInline, one.controls])"
    assert page.evaluate(facts) == [[True, True, True, False]] * 2
    with hears(page, "You chose the right image"):
        page.get_by_role("button", name="Vote for the right image").click()
    page.locator("#notice[data-code=all_judged]").wait_for()
    tabs.troubles = [one for one in tabs.troubles if "404" not in one]  # there is no pair after this one


def test_video_waits_for_the_pointer_without_motion(world: World, tabs: Tabs) -> None:
    """Who asks for less motion sees a still, until the pointer is over it."""
    contest = world.site.contest(2, video="clip")
    page = tabs.open("about:blank", wait=False)
    video = b64decode(page.evaluate(RECORD))
    page.route("**/clip", lambda route: route.fulfill(body=video, content_type="video/webm"))
    page.goto(world.open(contest))
    pair_is_there(page)
    paused = "[...document.querySelectorAll('video')].map((one) => one.paused)"
    assert page.evaluate(paused) == [True, True]

    page.get_by_role("button", name="Vote for the left image").hover()
    await_that(lambda: page.evaluate(paused)[0] is False, "the left one plays")
    assert page.evaluate(paused) == [False, True]


def _name(world: World, image: int) -> str:
    return world.site.url(image).removeprefix("image-")


def test_a_late_pair_does_not_take_the_place_of_a_newer_one(world: World, tabs: Tabs) -> None:
    """An image that comes after its pair was cleared away changes nothing: a vote is for what is seen."""
    page = tabs.open(world.open(world.site.contest(5)))
    seen = shown_pair(page)

    voted_on = page.evaluate(
        """async ([left, right]) => {
            const base = document.querySelector("script[src$='arena.js']").src;
            const { Duel } = await import(new URL("duel.js", base).href);
            const { Prepared } = await import(new URL("pictures.js", base).href);
            const root = document.getElementById("duel").cloneNode(true);
            const duel = new Duel(root, { vote() {}, talk() {}, zoom() {} });
            const side = (url, entryId) => ({ entryId, image: { url, type: "image" }, topComment: null });
            const late = new Prepared({ left: side(left, 1), right: side(right, 2) });
            let come;
            late.ready = new Promise((resolve) => (come = resolve)); // does not come until it is told to
            const first = duel.show(late);
            const open = duel.open;
            duel.clear();
            const there = new Prepared({ left: side(left, 3), right: side(right, 4) });
            await duel.show(there);
            come();
            await first;
            return [open, duel.shown.pair.left.entryId, duel.shown.pair.right.entryId, duel.open];
        }""",
        seen,
    )

    assert voted_on == [False, 3, 4, True]


def test_one_pair_is_fetched_at_a_time(world: World, tabs: Tabs) -> None:
    """Whatever asks for the next pair while one is on its way gets that one."""
    page = tabs.open(world.open(world.site.contest(5)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/pair") else None)

    page.evaluate("for (let n = 0; n < 3; n += 1) document.getElementById('notice-act').click()")
    pair_is_there(page)

    assert len(asked) == 1
