"""How long from a judge's key to the next pair on the screen, in a real Chromium with the shipped API and page.

The judge looks for a moment, presses a key, and looks at what is there next. The clock runs from the key's own time
stamp until after the frame in which both images of another pair are painted. Where there is no Chromium on the PATH
nothing is measured, which is said.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page, Route, sync_playwright
from rich.console import Console

from benchmarks.results import Result, percentile
from demo.play import own_folder
from stack.unavailable import Unavailable
from tests.arena import chromium
from tests.arena.world import World

ENTRIES = 60
VOTES = 120
WARM_UP_VOTES = 10
"""Votes that are not counted: the page and the server have just begun."""
LOOK_SECONDS = 0.35
"""How long a quick judge looks at a pair before the next key."""
SLOW_SECONDS = 0.1
"""Delay of each answer on the slow network."""
SLOW_VOTES = 25
GOAL_MS = 150.0
VIEWPORT = {"width": 1440, "height": 900}

WATCH = """
() => {
  const shown = () => [...document.querySelectorAll(".frame > :not(.halo)")];
  const name = () => shown().map((one) => one.src).join(" ");
  window.took = [];
  document.addEventListener("keydown", (event) => {
    const before = name();
    const look = () => {
      const there = name() !== before && shown().length === 2;
      // What is there now is painted with this frame; what is queued behind it comes after that.
      if (there && shown().every((one) => one.complete && one.naturalWidth))
        setTimeout(() => window.took.push(performance.now() - event.timeStamp));
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, { capture: true });
}
"""
"""Notes how long each key took, in ms."""


def measure(console: Console) -> list[Result]:
    """Start the page's server and a browser, and judge.

    Raises:
        RuntimeError: not every vote counted.
    """
    try:
        path = chromium.executable()
    except Unavailable as missing:
        console.print(f"page: not measured: {missing}")
        return []
    with own_folder() as folder, sync_playwright() as driver:
        world = World(Path(folder))
        try:
            world.start()
            browser = driver.chromium.launch(executable_path=path, args=chromium.arguments())
            contest = world.site.contest(ENTRIES)
            page = browser.new_page(viewport=VIEWPORT)  # type: ignore[arg-type]
            page.goto(world.open(contest))
            page.locator("#duel[aria-busy=false]").wait_for()
            page.evaluate(WATCH)
            console.print(f"judging {VOTES} pairs, one each {LOOK_SECONDS} s")
            took = _judge(page, WARM_UP_VOTES + VOTES)[WARM_UP_VOTES:]
            page.route("**/v1/**", _slowly)
            console.print(f"judging {SLOW_VOTES} more, each answer {SLOW_SECONDS * 1000:.0f} ms later")
            slow = _judge(page, SLOW_VOTES)
            page.unroute_all(behavior="ignoreErrors")
            page.wait_for_timeout(1_000)  # the last one's answer
            counted = world.votes(contest)
            browser.close()
        finally:
            world.close()
    if counted < WARM_UP_VOTES + VOTES + SLOW_VOTES - 2:
        raise RuntimeError(f"{counted} votes counted of {WARM_UP_VOTES + VOTES + SLOW_VOTES}")
    return [
        Result("page_next_pair_p50_ms", round(percentile(took, 0.5), 1), "ms", lower_is_better=True),
        Result("page_next_pair_p95_ms", round(percentile(took, 0.95), 1), "ms", 1084.0, GOAL_MS, lower_is_better=True),
        Result("page_next_pair_slow_p95_ms", round(percentile(slow, 0.95), 1), "ms", lower_is_better=True),
    ]


def _slowly(route: Route) -> None:
    """Pass a request on after a while."""
    time.sleep(SLOW_SECONDS)
    route.continue_()


def _judge(page: Page, votes: int) -> Sequence[float]:
    """Milliseconds from each key to the next pair."""
    before = page.evaluate("window.took.length")
    for number in range(votes):
        page.wait_for_timeout(LOOK_SECONDS * 1000)
        page.keyboard.press("a" if number % 2 else "d")
        page.wait_for_function("(count) => window.took.length >= count", arg=before + number + 1)
    took: Sequence[float] = page.evaluate("(from) => window.took.slice(from)", before)
    return took
