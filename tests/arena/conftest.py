"""One server and one Chromium for the tests of the page; a crucible, a user and a tab of its own for each test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from demo.program import PROJECT
from tests.arena import chromium
from tests.arena.ears import LISTEN
from tests.arena.world import World
from tests.stack.watching import provided

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

SCREENSHOTS = PROJECT / ".screenshots"
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
REPORT_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
"""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The machine's Chromium, headless."""
    from playwright.sync_api import sync_playwright

    with provided():
        path = chromium.executable()
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=chromium.arguments())
        yield running
        running.close()


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[World]:
    """The page's server."""
    made = World(tmp_path_factory.mktemp("arena"))
    try:
        with provided():
            made.start()
        yield made
    finally:
        made.close()


@dataclass
class Tabs:
    """Opens tabs that notice what goes wrong in them."""

    browser: Browser
    troubles: list[str] = field(default_factory=list)
    """Errors of scripts, of the console, and violations of the content policy."""
    _contexts: list[Any] = field(default_factory=list)

    def open(
        self, address: str, *, phone: bool = False, wait: bool = True, motion: bool = False, **options: Any
    ) -> Page:
        """A tab at that address; with ``wait`` a pair is there.

        Its user asks for less motion unless ``motion`` matters: without a graphics card each animation that runs costs
        a tenth of a processor, and there is one in most states of the page.
        """
        options = {
            "viewport": PHONE if phone else DESK,
            "is_mobile": phone,
            "has_touch": phone,
            "reduced_motion": "no-preference" if motion else "reduce",
            **options,
        }
        context = self.browser.new_context(**options)
        self._contexts.append(context)
        return self._tab(context, address, wait=wait)

    def beside(self, page: Page, address: str) -> Page:
        """Another tab of the same browser, with its connections; a pair is there."""
        return self._tab(page.context, address)

    def _tab(self, context: BrowserContext, address: str, *, wait: bool = True) -> Page:
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.add_init_script(REPORT_VIOLATIONS + LISTEN)
        page.on("pageerror", lambda error: self.troubles.append(f"script: {error}"))
        page.on("console", lambda said: self.troubles.append(f"console: {said.text}") if said.type == "error" else None)
        page.goto(address)
        if wait:
            pair_is_there(page)
        return page

    def close(self) -> None:
        """Close them; what they noticed is collected first."""
        for context in self._contexts:
            for page in context.pages:
                self.troubles += [f"policy: {one}" for one in page.evaluate("window.violations")]
            context.close()


@pytest.fixture
def tabs(browser: Browser) -> Iterator[Tabs]:
    """Tabs; the test fails if anything went wrong in one of them that it did not expect and clear."""
    made = Tabs(browser)
    yield made
    made.close()
    assert made.troubles == []


def pair_is_there(page: Page) -> tuple[int, int]:
    """Wait for a pair; the natural widths of both images, which are 0 for one that did not load."""
    page.locator("#duel[aria-busy=false]").wait_for()
    return page.evaluate("[...document.querySelectorAll('.frame img:not(.halo)')].map((i) => i.naturalWidth)")


def shot(page: Page, name: str) -> None:
    """A screenshot, to be looked at by people; not kept in git. Only who has made the folder gets them."""
    if SCREENSHOTS.is_dir():
        page.screenshot(path=SCREENSHOTS / f"{name}.png")
