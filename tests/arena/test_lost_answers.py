"""The same vote is sent until it is answered, in whatever way an answer fails to come."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.arena.between import SILENT, WAYS, Between
from tests.arena.conftest import Tabs, pair_is_there
from tests.arena.ears import hears
from tests.arena.test_states import refused

if TYPE_CHECKING:
    from tests.arena.world import World

__all__ = ["refused"]
PATIENCE_SECONDS = 15
"""How long the page waits for an answer."""


def test_a_vote_is_sent_until_it_is_answered(world: World, refused: Tabs) -> None:
    """Each way of losing an answer, one after the other on one page: the vote goes again, counts once, and is told."""
    contest = world.site.contest(8)
    with closing(Between(urlsplit(world.voting.at.api).port or 0)) as between:
        address = world.open(contest)
        page = refused.open(address.replace(urlsplit(address).netloc, f"127.0.0.1:{between.port}"))
        for number, (name, way) in enumerate(WAYS.items(), 1):
            between.votes.clear()
            between.spoils = [way]
            with hears(page, re.compile("Trying again in"), "You chose the left image"):
                page.keyboard.press("a")

            assert len(between.votes) == 2, name
            assert len(set(between.votes)) == 1, name
            assert world.votes(contest) == number, name
            assert page.locator("#notice").is_hidden(), name
            pair_is_there(page)


def test_a_vote_outlives_a_silent_api(world: World, refused: Tabs) -> None:
    """No answer at all: after 15 s the page says so and sends the same vote again, instead of asking what to do."""
    contest = world.site.contest(4)
    with closing(Between(urlsplit(world.voting.at.api).port or 0)) as between:
        address = world.open(contest)
        page = refused.open("about:blank", wait=False)
        page.clock.install()
        page.goto(address.replace(urlsplit(address).netloc, f"127.0.0.1:{between.port}"))
        pair_is_there(page)
        between.spoils = [SILENT]
        page.keyboard.press("d")
        assert between.arrived.wait(30)
        with hears(page, "No answer from the server.", "You chose the right image"):
            page.clock.fast_forward(PATIENCE_SECONDS * 1000 + 100)

        assert len(between.votes) == 2
        assert len(set(between.votes)) == 1
        assert world.votes(contest) == 1
        assert page.locator("#notice").is_hidden()


def test_a_vote_outlives_a_reload(world: World, refused: Tabs) -> None:
    """Loaded anew before it was answered, the page sends it again, before it asks for anything to judge."""
    contest = world.site.contest(4)
    with closing(Between(urlsplit(world.voting.at.api).port or 0)) as between:
        address = world.open(contest)
        page = refused.open(address.replace(urlsplit(address).netloc, f"127.0.0.1:{between.port}"))
        between.spoils = [SILENT]
        page.keyboard.press("a")
        assert between.arrived.wait(30)
        page.reload()
        pair_is_there(page)

        assert len(between.votes) == 2
        assert len(set(between.votes)) == 1
        assert world.votes(contest) == 1
        assert page.evaluate("JSON.parse(sessionStorage['crucible.votes'])") == []
        page.locator("#facts", has_text="1 by you").wait_for()
