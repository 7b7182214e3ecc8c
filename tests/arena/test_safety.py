"""The token stays in the page, and the page loads and runs nothing but its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from tests.arena.ears import hears
from tests.stack.watching import await_that

if TYPE_CHECKING:
    from tests.arena.conftest import Tabs
    from tests.arena.world import World


def test_token_leaves_the_address(world: World, tabs: Tabs) -> None:
    """The fragment is gone from address and history, nothing is stored, and no request's address holds the token."""
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
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    assert token not in page.content()
    page.go_back()
    page.go_forward()
    page.get_by_role("heading", name="Please sign in").wait_for()


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
