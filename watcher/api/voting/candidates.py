"""What Redis says of the entries that a judge may be asked about."""

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from itertools import islice
from typing import Final

import msgspec

from watcher.api.http.problem import ProblemError
from watcher.api.voting.ask_redis import ask_redis
from watcher.api.voting.entries import entry_row
from watcher.api.voting.judged_pairs import JudgedPairs
from watcher.model.open_pairs import OpenPairs
from watcher.model.pairing import Pair, PairCandidate
from watcher.model.visibility import ALL_LEVELS
from watcher.model.vote import pair_field
from watcher.redis import keys
from watcher.redis.admit import ADMIT, Placement, admit_command
from watcher.redis.draw import DRAW, PACKED_OUTCOMES, Drawn, draw_command, drawn
from watcher.redis.link import Link
from watcher.redis.open_pairs import OPEN, open_command

FIRST_PAIRS, NEXT_PAIRS = 48, 512
"""Pairs of which Redis is asked at a time whether they are done: one of the first is nearly always new."""
SCANNED_ENTRIES: Final = 1_000
"""Entries of one step through a pool: a third of a millisecond in which votes wait."""


class Asker(msgspec.Struct, frozen=True):
    """A judge who asks for a pair."""

    crucible_id: int
    user_id: int
    level: int
    """Flags of what the judge wants to see now, and may."""
    account_level: int
    """Flags of all that the judge may see."""


class Candidates:
    """The admitted entries of crucibles.

    Args:
        link: Redis.
    """

    def __init__(self, link: Link) -> None:
        self._link = link

    async def draw(self, asker: Asker, *, count: int, top: int, leaders: int, seed: int, if_wanting: bool) -> Drawn:
        """Return some that were drawn at random, and what is open to the judge; see ``draw_command``.

        Raises:
            ProblemError: the crucible is not open for votes, or Redis is away.
        """
        command = draw_command(
            asker.crucible_id,
            user_id=asker.user_id,
            mask=asker.level,
            count=count,
            top=top,
            seed=seed,
            if_wanting=if_wanting,
            leaders=leaders,
        )
        answer = await ask_redis(self._link, command, DRAW)
        while answer == PACKED_OUTCOMES:
            await self._done(asker).unpack()
            answer = await ask_redis(self._link, command, DRAW)
        found = drawn(answer)
        if found is None:
            raise ProblemError("absent")
        if found.status != "Active":
            raise ProblemError("not_active")
        if found.frozen:
            raise ProblemError("frozen")
        if found.start_ms is not None and found.now_ms < found.start_ms:
            raise ProblemError("not_started")
        if found.end_ms is not None and found.now_ms > found.end_ms:
            raise ProblemError("ended")
        return found

    async def first_new(self, asker: Asker, order: Iterator[Pair]) -> Pair | None:
        """Return the first pair that the judge has neither judged nor skipped; None if there is none.

        Raises:
            ProblemError: Redis is away.
        """
        done, size = self._done(asker), FIRST_PAIRS
        while some := list(islice(order, size)):
            fields = [pair_field(one.entry_id, other.entry_id) for one, other in some]
            for pair, is_done in zip(some, await done.are_done(fields), strict=True):
                if not is_done:
                    return pair
            size = NEXT_PAIRS
        return None

    async def done(self, asker: Asker) -> set[str]:
        """Return every pair that the judge has judged or skipped, as ``pair_field`` names it.

        Raises:
            ProblemError: Redis is away.
        """
        return await self._done(asker).all_done()

    async def open(self, asker: Asker, read: str, wanted: OpenPairs, fields: Sequence[str]) -> bool:
        """Write down which pairs are open to the judge; False if something else is there by now, see ``open_command``.

        Raises:
            ProblemError: Redis is away.
        """
        command = open_command(asker.crucible_id, asker.user_id, read, wanted, fields)
        return bool(await ask_redis(self._link, command, OPEN))

    def _done(self, asker: Asker) -> JudgedPairs:
        return JudgedPairs(self._link, asker.crucible_id, asker.user_id)

    async def everything(self, asker: Asker, mask: int) -> AsyncIterator[PairCandidate]:
        """Yield every entry that the judge may see and does not own, step by step; some more than once.

        Raises:
            ProblemError: Redis is away.
        """
        entries = keys.entries(asker.crucible_id)
        for level in (one for one in range(1, ALL_LEVELS + 1) if one & mask):
            cursor, pool = None, keys.pool(asker.crucible_id, level)
            while cursor != b"0":
                cursor, ids = await ask_redis(self._link, ("SSCAN", pool, cursor or 0, "COUNT", SCANNED_ENTRIES))
                rows = await ask_redis(self._link, ("HMGET", entries, *ids)) if ids else []
                for entry_id, text in zip(ids, rows, strict=True):
                    row = entry_row(text)
                    if row is not None and row.user != asker.user_id:
                        yield PairCandidate(int(entry_id), row.image, 0, 0, level)

    async def admit(self, crucible_id: int, placements: Sequence[Placement]) -> None:
        """Show placements on entries.

        Raises:
            ProblemError: Redis is away.
        """
        await ask_redis(self._link, admit_command(crucible_id, placements), ADMIT)


def without(some: Sequence[PairCandidate], hidden: Collection[int]) -> Sequence[PairCandidate]:
    """Return those whose entry is not hidden."""
    return [one for one in some if one.entry_id not in hidden] if hidden else some
