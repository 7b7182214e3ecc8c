"""What a page says in passing: heard by an observer that is there before the page says anything."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

PATIENCE_SECONDS = 60.0
"""Seconds until a saying counts as never said. A vote that has lost its answer is sent again after 15."""

LISTEN = """
window.sayings = [];
window.hearing = new EventTarget();
new MutationObserver((changes) => {
  for (const { target, addedNodes } of changes) {
    if (!target.closest?.("[role=status]")) continue;
    window.sayings.push(...[...addedNodes].map((one) => one.textContent).filter(Boolean));
  }
  window.hearing.dispatchEvent(new Event("said"));
}).observe(document, { childList: true, subtree: true });
"""
"""For the start of a page. Each text that comes into a status is in an array from then on, however soon it goes."""

HEAR = """
([pattern, from, patience]) => new Promise((resolve) => {
  const look = () => {
    const at = window.sayings.findIndex((one, at) => at >= from && new RegExp(pattern).test(one));
    if (at < 0) return;
    window.hearing.removeEventListener("said", look);
    resolve(at);
  };
  window.hearing.addEventListener("said", look);
  setTimeout(resolve, patience * 1000, null);
  look();
})
"""


@contextmanager
def hears(page: Page, *sayings: str | re.Pattern[str], patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Do what is inside, and then wait until the page has said each of these in a status since, in this order."""
    begun = heard = page.evaluate("window.sayings.length")
    yield
    for saying in sayings:
        pattern = saying.pattern if isinstance(saying, re.Pattern) else re.escape(saying)
        at = page.evaluate(HEAR, [pattern, heard, patience])
        if at is None:
            said = page.evaluate("(from) => window.sayings.slice(from)", begun)
            pytest.fail(f"{saying!r}: not said within {patience:g} s. Said was {said}")
        heard = at + 1
