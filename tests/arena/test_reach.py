"""On a phone, with a keyboard, with a screen reader, in dark and in light, without motion."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from tests.arena.conftest import Tabs, pair_is_there, shot
from tests.arena.ears import hears
from tests.awaiting import await_that

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.arena.world import World

CONTRAST = """
(selectors) => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => [r, g, b].map((c) => linear(c / 255))
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(one).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  return selectors.map((selector) => {
    const element = document.querySelector(selector);
    const [one, other] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    return [selector, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)];
  });
}
"""
COLOURS_STAND = "!document.getAnimations().some((one) => one instanceof CSSTransition)"
TEXTS = [
    *("h1", "#facts", "#clock", "#clock-label", "#skip", ".keys", ".quote", ".count", ".live"),
    *(".side[data-side=left] .choose", ".side[data-side=right] .choose"),
    *(".row .place", ".row b", ".row small", ".row .rating"),
]
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LONG_NAME = "Donaudampfschifffahrtsgesellschaftskapitänsmützen und was man sonst noch alles auf dem Kopf trägt " * 2
COVERED = """
() => {
  const box = (selector) => document.querySelector(selector).getBoundingClientRect();
  const [bar, said, points] = [box(".below"), box("#said"), box("#last > :last-child > b")];
  const images = [...document.querySelectorAll(".vote")].map((one) => one.getBoundingClientRect().bottom);
  return [...images.filter((bottom) => bottom > bar.top + 1), ...(points.right > said.left ? [points.right] : [])];
}
"""
"""What of the images is behind the bar at the lower edge, and where points are over what is said."""
TARGETS = "button:not([hidden]), input, label"


def test_everything_has_a_name(world: World, tabs: Tabs) -> None:
    """What can be operated and what is shown has a role and a name that a screen reader can say."""
    contest = world.site.contest(5, name="Crucible of names")  # of which the two of the pair are not on the board
    page = tabs.open(world.open(contest))
    page.locator("#rows .row").nth(2).wait_for()

    assert page.title() == "Crucible of names \u2013 Crucible"
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.get_by_role("heading", level=1).all_inner_texts() == ["Crucible of names"]
    assert page.get_by_role("main").count() == 1
    # An hour from its making, by the server's Date, which may be a second old.
    assert page.get_by_role("timer", name=re.compile(r"ends in .*(59:|1:00:0[01])")).count() == 1
    for name in ("Vote for the left image", "Vote for the right image", "Skip this pair", "on the left image"):
        assert page.get_by_role("button", name=name).count() == 1, name
    assert page.get_by_role("complementary", name="Standings").count() == 1
    assert page.get_by_role("list").get_by_role("listitem").count() == 3
    assert page.get_by_role("button", name=re.compile(r"^Place \d: entry \d+, rating 1500, 0 votes")).count() == 3
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, img:not([alt]), video')].filter((one) => one.checkVisibility()"
        " && !(one.ariaLabel || one.textContent.trim() || one.labels?.length || one.alt)).map((one) => one.outerHTML)"
    )
    assert unnamed == []


def test_what_happens_is_said_aloud(world: World, tabs: Tabs) -> None:
    """A vote is announced politely; the clock and the standings, which change all the time, are not."""
    page = tabs.open(world.open(world.site.contest(6)))
    page.keyboard.press("a")
    page.get_by_role("status").get_by_text("You chose the left image: it rose by 16 to 1516.").wait_for()

    assert page.locator("#said").get_attribute("role") == "status"
    assert page.locator("[aria-live]").count() == 0
    assert page.locator("#rows, #clock").locator("xpath=ancestor-or-self::*[@role='status']").count() == 0


def test_contrast_is_enough(world: World, tabs: Tabs) -> None:
    """Every text is readable by the AA rule, 4.5 to 1, in light and in dark."""
    contest = world.site.contest(5)
    page = tabs.open(world.open(contest), motion=True)
    page.locator("#rows .row").nth(2).wait_for()
    inks = set()
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        await_that(lambda: page.evaluate(COLOURS_STAND), "no transition of colour to be under way")
        shot(page, f"desk-{scheme}")
        inks.add(page.evaluate("getComputedStyle(document.querySelector('h1')).color"))

        faint = [(selector, round(ratio, 2)) for selector, ratio in page.evaluate(CONTRAST, TEXTS) if ratio < 4.5]
        assert (scheme, faint) == (scheme, [])
    assert len(inks) == 2


def test_phone(world: World, tabs: Tabs) -> None:
    """Upright on a phone both images, their votes and comments fit the screen, nothing is wider, targets are large."""
    contest = world.site.contest(4, name=LONG_NAME)
    page = tabs.open(world.open(contest), phone=True)
    page.get_by_role("heading", name=LONG_NAME).wait_for()
    shot(page, "phone")

    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for name in ("Vote for the upper image", "Vote for the lower image", "Skip this pair"):
        box = page.get_by_role("button", name=name).bounding_box()
        assert box, name
        assert box["y"] >= 0, name
        assert box["y"] + box["height"] <= 844, name
    assert _small(page) == []
    page.get_by_role("button", name="Vote for the lower image").tap()
    page.get_by_role("status").get_by_text("You chose the lower image").wait_for()
    assert world.votes(contest) == 1
    pair_is_there(page)
    page.set_viewport_size({"width": 320, "height": 568})
    await_that(lambda: page.evaluate("innerWidth") == 320, "the page to have its size")
    assert page.evaluate(COVERED) == []  # the smallest phone: neither image is behind the bar, nor words behind points
    page.set_viewport_size({"width": 390, "height": 844})
    await_that(lambda: page.evaluate("innerWidth") == 390, "the page to have its size")
    assert page.evaluate(COVERED) == []
    page.get_by_role("button", name="on the upper image").tap()
    dialog = page.get_by_role("dialog", name="Comments on the upper image")
    dialog.wait_for()
    box = dialog.bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


def test_other_screens(world: World, tabs: Tabs) -> None:
    """From the smallest phone to a large desk: nothing sticks out, both votes can be seen without scrolling."""
    page = tabs.open(world.open(world.site.contest(3)))
    for width, height in ((320, 568), (844, 390), (768, 1024), (2560, 1440)):
        page.set_viewport_size({"width": width, "height": height})
        await_that(lambda: page.evaluate("innerWidth") == width, "the page to have its size")  # noqa: B023 - used at once
        shot(page, f"screen-{width}x{height}")

        assert page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = page.evaluate(
            "[...document.querySelectorAll('.choose')].map((one) => one.getBoundingClientRect().toJSON())"
        )
        assert len(boxes) == 2
        for box in boxes:
            assert (width, box["top"] >= 0, box["bottom"] <= height) == (width, True, True)


def test_without_motion(world: World, tabs: Tabs) -> None:
    """Who asks for less motion gets none: no animation runs, and a video waits for the pointer."""
    page = tabs.open(world.open(world.site.contest(3)))
    with hears(page, "You chose"):
        page.keyboard.press("a")

    assert page.evaluate("document.getAnimations().length") == 0


def test_phone_by_one_thumb(world: World, tabs: Tabs) -> None:
    """Both can be chosen from the lower edge, or by a swipe over either; a push that is taken back chooses nothing."""
    contest = world.site.contest(6)
    page = tabs.open(world.open(contest), phone=True, motion=True)
    for name in ("Choose the upper image", "Choose the lower image"):
        box = page.get_by_role("button", name=name).bounding_box()
        assert box, name
        assert box["y"] > 844 * 0.7, name
        assert box["height"] >= 48, name
    with hears(page, "You chose the lower image"):
        page.get_by_role("button", name="Choose the lower image").tap()
    pair_is_there(page)
    _swipe(page, "left", 30)
    _swipe(page, "left", 5, down=200)
    assert page.locator("#duel").get_attribute("aria-busy") == "false"
    for side, called, way in (("left", "upper", 200), ("right", "lower", -200)):
        with hears(page, f"You chose the {called} image"):
            _swipe(page, side, way)
        pair_is_there(page)

    assert world.votes(contest) == 3
    assert page.locator(".side[style*=transform]").count() == 0


def test_either_can_be_looked_at_closely(world: World, tabs: Tabs) -> None:
    """By a button on each, and by a key; larger at a click; back by Escape, and nothing was voted for."""
    contest = world.site.contest(3)
    page = tabs.open(world.open(contest))
    for side in ("left", "right"):
        src = page.locator(f"[data-side={side}] .frame img:not(.halo)").get_attribute("src")
        page.get_by_role("button", name=f"Look closely at the {side} image").click()
        close = page.get_by_role("dialog", name=f"The {side} image")
        close.wait_for()
        assert close.get_by_role("img").get_attribute("src") == src
        before = close.get_by_role("img").bounding_box()
        close.get_by_role("img").click()
        after = close.get_by_role("img").bounding_box()
        assert before
        assert after
        assert after["width"] > 1.5 * before["width"]
        page.keyboard.press("a")
        shot(page, f"close-{side}")
        page.keyboard.press("Escape")
        close.wait_for(state="hidden")
    page.locator("[data-side=right] .vote").focus()
    page.keyboard.press("z")
    page.get_by_role("dialog", name="The right image").wait_for()

    assert world.votes(contest) == 0


def test_a_comment_is_read_aloud_as_a_sentence(world: World, tabs: Tabs) -> None:
    """One end is enough, whatever the comment ends with; one that has none gets a full stop."""
    contest = world.site.contest(2)
    for image, text in zip(contest.images.values(), ("A fine contrast.", "no end"), strict=True):
        world.site.comment(image, text, *["more"] * 8)
    page = tabs.open(world.open(contest))
    names = {one.get_attribute("aria-label") for one in page.locator(".talk").all()}

    assert {(name or "").rpartition(" on the ")[0] for name in names} == {
        "Top comment: A fine contrast. 9 comments",
        "Top comment: no end. 9 comments",
    }


PUSH = """
([side, way, down]) => {
  const article = document.querySelector(`[data-side=${side}]`);
  const box = article.getBoundingClientRect();
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  const told = (type, part) => article.querySelector(".vote").dispatchEvent(new PointerEvent(type, {
    bubbles: true, pointerType: "touch", isPrimary: true, pointerId: 7,
    clientX: x + way * part, clientY: y + down * part,
  }));
  told("pointerdown", 0);
  for (let part = 0.1; part <= 1; part += 0.1) told("pointermove", part);
  told("pointerup", 1);
}
"""
"""A finger that goes sideways, and perhaps down, on one of the two."""


def _swipe(page: Page, side: str, way: int, down: int = 0) -> None:
    page.evaluate(PUSH, [side, way, down])


def _small(page: Page) -> list[str]:
    """What a thumb would miss: targets lower than 44 px."""
    return page.evaluate(
        "(all) => [...document.querySelectorAll(all)].filter((one) => one.checkVisibility() "
        "&& one.getBoundingClientRect().height < 44).map((one) => one.outerHTML.slice(0, 80))",
        TARGETS,
    )
