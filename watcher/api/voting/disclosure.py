"""What somebody may be told of how entries stand, while a crucible takes votes: standings sway judges.

Whatever the setting says, nobody is told how the entries of their own open pair stand: places and ratings of the two
would be the answer to the question that the judge is asked. Once votes are over everything is told.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from watcher.api.http.problem import ProblemError
from watcher.api.voting.ask_redis import ask_redis
from watcher.api.voting.crucibles import Crucible
from watcher.redis.judging import JUDGING, Judging, judging, judging_command
from watcher.redis.link import Link

DisclosurePolicy = Literal["live", "after_vote", "at_end"]
"""When standings are told: always; to whoever has voted in the crucible; once votes are over."""
SKEW_MS: Final = 2_000
"""Milliseconds after a crucible's end from which votes are over: by Redis' clock, which decides about votes, it may
still be going on."""
USERS_AT_ONCE: Final = 1_000
"""Judges of one question to Redis, which takes a third of a millisecond."""


class Disclosed(msgspec.Struct, frozen=True):
    """What somebody may be told of how a crucible's entries stand."""

    refusal: str | None = None
    """The code of the problem that there is nothing to be told; None: all is told but what is veiled."""
    veiled: frozenset[int] = frozenset()
    """Entries of which nothing is told: the two of the pair that is open to whoever asks."""

    def check(self, entry_id: int | None = None) -> None:
        """Let pass what may be told.

        Args:
            entry_id: the entry that it is about; None: about all of them, of which the veiled ones are left out.

        Raises:
            ProblemError: nothing is told, or nothing of this entry.
        """
        if self.refusal is not None:
            raise ProblemError(self.refusal)
        if entry_id in self.veiled:
            raise ProblemError("pair_open")

    def hides(self, *entry_ids: int) -> bool:
        """Return whether it is not told how these entries stand."""
        return self.refusal is not None or not self.veiled.isdisjoint(entry_ids)


EVERYTHING: Final = Disclosed()


class Disclosure:
    """Decides what may be told.

    Args:
        link: Redis, which should load ``SCRIPTS`` when it connects.
        policy: the setting.
        clock: Unix time in seconds.
    """

    SCRIPTS: Final = (JUDGING.text,)

    def __init__(self, link: Link, policy: DisclosurePolicy, clock: Callable[[], float] = time.time) -> None:
        self._link, self._policy, self._clock = link, policy, clock

    async def to(self, crucible: Crucible, user_id: int) -> Disclosed:
        """Return what a user may be told.

        Raises:
            ProblemError: ``redis_away``.
        """
        return (await self.to_each(crucible, [user_id]))[user_id]

    async def to_each(self, crucible: Crucible, user_ids: Sequence[int]) -> Mapping[int, Disclosed]:
        """Return what each of some users may be told.

        Raises:
            ProblemError: ``redis_away``.
        """
        if self._is_over(crucible):
            return dict.fromkeys(user_ids, EVERYTHING)
        told: dict[int, Disclosed] = {}
        for start in range(0, len(user_ids), USERS_AT_ONCE):
            part = user_ids[start : start + USERS_AT_ONCE]
            answer = await ask_redis(self._link, judging_command(crucible.id, part), JUDGING)
            told |= {one: self._told(judge) for one, judge in zip(part, judging(answer), strict=True)}
        return told

    def of_vote(self, crucible: Crucible, open_entries: frozenset[int]) -> Disclosed:
        """Return what the answer to a vote may tell of its two entries.

        Args:
            crucible: of the vote.
            open_entries: those of the pair that is open to the judge now.
        """
        if self._is_over(crucible):
            return EVERYTHING
        return self._told(Judging(open_entries, voted=True))

    def _told(self, judge: Judging) -> Disclosed:
        if self._policy == "at_end":
            return Disclosed("standings_at_end")
        if self._policy == "after_vote" and not judge.voted:
            return Disclosed("standings_after_vote")
        return Disclosed(veiled=judge.entries) if judge.entries else EVERYTHING

    def _is_over(self, crucible: Crucible) -> bool:
        """Return whether votes are over: what was judged is judged."""
        ended = crucible.end_ms is not None and crucible.end_ms + SKEW_MS < self._clock() * 1000
        return crucible.finished or crucible.frozen or ended or not crucible.live
