"""A room full of judges."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from random import Random
from typing import Any

import httpx

from demo.judges.ledger import Cast, JudgesLedger, ServedImage
from demo.judges.taste import prefers_left
from demo.sign_in import SignIn

PASSING = frozenset({429, 502, 503, 504})
"""Answers that mean: ask again."""
EXHAUSTED = "skips_exhausted"
"""The code of a refusal that passes only when more is judged."""
MAX_PAUSE_SECONDS = 5.0
"""Seconds until one asks again at the latest."""
MAX_TRIES = 60
"""Of one request: some minutes."""


@dataclass(frozen=True, slots=True)
class PanelPace:
    """How the room behaves."""

    rate: float = 60.0
    """Votes a second to aim at."""
    at_once: int = 16
    """Judges who look at a pair at the same moment."""
    skips: float = 0.05
    repeats: float = 0.05
    """Share of the votes that are sent again, as by a client that lost the answer."""
    reversals: float = 0.02
    """Share of the votes after which the judge tries the other way round."""
    favourite: float = 0.5
    """Share of the looks that go to the first crucible."""
    contest: float = 0.2
    """Share of those that go to the second."""


class Panel:
    """Judges until told to stop.

    Args:
        client: talks to the API; its base address is set.
        sign_in: makes the judges' tokens.
        ledger: where answers are written down.
        rng: the only source of chance.
        pace: how fast, and how badly behaved.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        sign_in: SignIn,
        ledger: JudgesLedger,
        rng: Random,
        pace: PanelPace | None = None,
    ) -> None:
        self._client, self._sign_in, self._ledger, self._rng = client, sign_in, ledger, rng
        self._pace = pace or PanelPace()
        self._tokens: dict[int, str] = {}
        self._looking: set[tuple[int, int]] = set()
        """Users with the crucible whose pair they look at."""
        self.users: list[int] = []
        self.crucibles: list[int] = []
        """Open ones, the favourite first; the caller keeps the list up to date."""
        self.told: Counter[str] = Counter()
        """Answers by kind: ``vote``, ``pair``, ``skipped``, ``repeat``, and codes of refusals."""

    async def judge(self, stop: asyncio.Event) -> None:
        """Judge until ``stop``; what was begun is seen through."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._pace.at_once):
                group.create_task(self._sit(stop))

    async def _sit(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + self._rng.random() * self._pace.at_once / self._pace.rate
        while not stop.is_set():
            wait = due - loop.time()
            if wait > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await stop.wait()
                        return
            due = max(due, loop.time() - 1.0) + self._pace.at_once / self._pace.rate * self._rng.uniform(0.5, 1.5)
            if self.users and self.crucibles:
                await self._look(stop)

    async def _look(self, stop: asyncio.Event) -> None:
        rng, pace = self._rng, self._pace
        user = rng.choice(self.users)
        (crucible,) = rng.choices(
            (self.crucibles[0], self.crucibles[min(1, len(self.crucibles) - 1)], rng.choice(self.crucibles)),
            (pace.favourite, pace.contest, 1 - pace.favourite - pace.contest),
        )
        if (user, crucible) in self._looking:  # nobody sits in two chairs
            return
        self._looking.add((user, crucible))
        try:
            await self._judge_one(user, crucible, stop)
        finally:
            self._looking.remove((user, crucible))

    async def _judge_one(self, user: int, crucible: int, stop: asyncio.Event) -> None:
        rng, pace = self._rng, self._pace
        served = await self._ask(user, f"/v1/crucibles/{crucible}/pair", given_up=stop)
        if served is None or served.is_error:
            return
        self.told["pair"] += 1
        pair = served.json()
        left, right = pair["left"], pair["right"]
        self._ledger.shown(*(ServedImage(user, crucible, side["image"]["url"]) for side in (left, right)))
        if rng.random() < pace.skips:
            await self._skip(user, crucible, pair)
            return
        if prefers_left(left["image"]["url"], right["image"]["url"], rng):
            winner, loser = left["entryId"], right["entryId"]
        else:
            winner, loser = right["entryId"], left["entryId"]
        await self._vote(user, crucible, {"winner": winner, "loser": loser, "token": pair["token"]})

    async def _vote(self, user: int, crucible: int, vote: dict[str, Any]) -> None:
        path = f"/v1/crucibles/{crucible}/votes"
        answer = await self._see_through(user, path, vote)
        if answer.is_error:
            return
        self.told["vote"] += 1
        said = answer.json()
        self._ledger.voted(_cast(user, crucible, said))
        if self._rng.random() < self._pace.repeats:
            again = await self._see_through(user, path, vote)
            self.told["repeat"] += 1
            deleted = again.status_code == HTTPStatus.NOT_FOUND  # the crucible, by the site, in between
            if not deleted and (again.is_error or not _agree(again.json(), said)):
                self._ledger.broken(f"a repeat on crucible {crucible} was answered {again.status_code} {again.text}")
        if self._rng.random() < self._pace.reversals:
            other = await self._see_through(user, path, {**vote, "winner": vote["loser"], "loser": vote["winner"]})
            if not other.is_error:
                self._ledger.broken(f"both ways round were accepted on crucible {crucible}: {other.text}")

    async def _skip(self, user: int, crucible: int, pair: Mapping[str, Any]) -> None:
        answer = await self._see_through(user, f"/v1/crucibles/{crucible}/skips", {"token": pair["token"]})
        if not answer.is_error:
            self.told["skipped"] += 1

    async def _see_through(self, user: int, path: str, vote: Mapping[str, Any]) -> httpx.Response:
        """Return what a vote, or a skip, came to. Seen through to the end: nobody else knows whether it counted."""
        answer = await self._ask(user, path, vote)
        if answer is None:
            raise TimeoutError(f"{path} was not answered in {MAX_TRIES} tries; answers so far: {dict(self.told)}")
        return answer

    async def _ask(
        self, user: int, path: str, body: Mapping[str, Any] | None = None, given_up: asyncio.Event | None = None
    ) -> httpx.Response | None:
        """Return an answer for good; None if there was none in so many tries, or before it was ``given_up``."""
        headers = {"Authorization": f"Bearer {self._token(user)}"}
        for number in range(MAX_TRIES):
            pause = min(0.1 * 2 ** min(number, 8), MAX_PAUSE_SECONDS)
            try:
                answer = await self._client.request("POST" if body else "GET", path, json=body, headers=headers)
            except httpx.TransportError as error:
                self.told[type(error).__name__] += 1
            else:
                if answer.status_code not in PASSING or _code(answer) == EXHAUSTED:
                    if answer.is_error:
                        self.told[_code(answer)] += 1
                    return answer
                self.told[_code(answer)] += 1
                pause = min(float(answer.headers.get("Retry-After", pause)), MAX_PAUSE_SECONDS)
            if given_up is not None and given_up.is_set():
                break
            await asyncio.sleep(pause)
        return None

    def _token(self, user: int) -> str:
        if user not in self._tokens:
            self._tokens[user] = self._sign_in.token(user)
        return self._tokens[user]


def _agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two answers tell of the same vote, apart from points that one of them does not tell."""
    same = ("epoch", "seq", "votedAt")
    return all(one[name] == other[name] for name in same) and all(
        told is None or other[side][name] in {told, None}
        for side in ("winner", "loser")
        for name, told in one[side].items()
    )


def _cast(user: int, crucible: int, said: Mapping[str, Any]) -> Cast:
    winner, loser = said["winner"], said["loser"]
    return Cast(
        crucible,
        said["epoch"],
        said["seq"],
        winner["entryId"],
        loser["entryId"],
        user,
        winner["rating"],
        loser["rating"],
    )


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["code"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code} without a problem"
