"""The token stays in the page, and the page loads and runs nothing but its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from tests.arena.ears import hears
from tests.awaiting import await_that

if TYPE_CHECKING:
    from tests.arena.conftest import Tabs
    from tests.arena.world import World


def test_token_leaves_the_address(world: World, tabs: Tabs) -> None:
    """The fragment is gone from address and history, and no request's address holds the token; only this tab has it."""
    address = world.open(world.site.contest(3))
    token = address.partition("#token=")[2]
    asked: list[str] = []
    page = tabs.open("about:blank", wait=False)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.locator("#duel[aria-busy=false]").wait_for()
    with hears(page, "You chose"):
        page.keyboard.press("a")

    assert page.url == address.partition("#")[0]
    assert not [url for url in asked if token in url.partition("#")[0]]
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    assert token not in page.content()
    page.go_back()
    page.go_forward()
    page.locator("#duel[aria-busy=false]").wait_for()


def test_a_reload_keeps_the_session_until_it_expires(world: World, tabs: Tabs) -> None:
    """Loaded anew the same pair is there; at its expiry the token is kept no longer, and a tab beside never had it."""
    address = world.open(world.site.contest(3))
    page = tabs.open(address)
    shown = "[...document.querySelectorAll('.frame img:not(.halo)')].map((i) => i.src)"
    before = page.evaluate(shown)
    page.reload()
    page.locator("#duel[aria-busy=false]").wait_for()
    assert page.evaluate(shown) == before
    beside = page.context.new_page()
    beside.goto(address.partition("#")[0])
    beside.get_by_role("heading", name="Please sign in").wait_for()
    beside.close()

    kept = page.evaluate("JSON.parse(sessionStorage['crucible.token'])")
    assert kept["token"] == address.partition("#token=")[2]
    page.evaluate("sessionStorage['crucible.token'] = JSON.stringify({ token: 'a.b.c', until: Date.now() - 1 })")
    page.reload()
    page.get_by_role("heading", name="Please sign in").wait_for()
    assert page.evaluate("sessionStorage.length") == 0


def test_the_token_is_forgotten_in_time(world: World, tabs: Tabs) -> None:
    """Also by a page that stays open: nothing is kept past the expiry, nor what the API does not take any more."""
    address = world.open(world.site.contest(3))
    page = tabs.open("about:blank", wait=False)
    page.clock.install()
    page.goto(address)
    page.locator("#duel[aria-busy=false]").wait_for()
    left = page.evaluate("JSON.parse(sessionStorage['crucible.token']).until - Date.now()")
    page.clock.fast_forward(int(left) + 1_000)
    await_that(lambda: page.evaluate("sessionStorage.getItem('crucible.token')") is None, "the token to be forgotten")

    forged = tabs.open(address + "forged", wait=False)
    forged.get_by_role("heading", name="Your sign-in is damaged").wait_for()
    assert forged.evaluate("sessionStorage.getItem('crucible.token')") is None
    tabs.troubles = [one for one in tabs.troubles if "401" not in one]


def test_policy_is_strict(world: World) -> None:
    """Everything is forbidden but own scripts, styles and requests, and images from here and their own origin."""
    answer = httpx.get(f"{world.voting.at.api}/arena/1")
    rules = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    images = world.voting.at.image.rpartition("/")[0]

    assert rules.pop("img-src") == rules.pop("media-src") == f"'self' {images}"
    assert {name: rules[name] for name in ("default-src", "script-src", "style-src", "connect-src")} == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
    }
    assert rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<style" not in answer.text
    assert " style=" not in answer.text
    assert " on" + "click" not in answer.text


def test_violations_would_be_noticed(world: World, tabs: Tabs) -> None:
    """What the policy forbids does not happen, and the watch that every other test keeps reports it."""
    page = tabs.open(world.open(world.site.contest(2)))
    page.evaluate(
        """() => {
          const style = document.createElement("div");
          style.setAttribute("style", "color: red");
          const image = Object.assign(new Image(), { src: "http://127.0.0.1:9/elsewhere.png" });
          document.body.append(style, image);
          try { document.body.innerHTML += "<b>markup</b>"; } catch (error) { window.refused = error.name; }
        }"""
    )
    await_that(lambda: page.evaluate("window.violations.length") >= 3, "three violations")
    found = page.evaluate("window.violations.map((one) => one.split(' ')[0])")
    page.evaluate("window.violations.length = 0")
    tabs.troubles.clear()

    assert {"style-src-attr", "img-src", "require-trusted-types-for"} <= set(found)
    assert page.evaluate("window.refused") == "TypeError"
