"""Compares the crucibles of Redis with PostgreSQL and ClickHouse: those that are gone, absent, or shown otherwise.

What differs is looked at again until it stays as it is, some crucibles at a time: a change or a vote may be on its way.
The verifier mends: it shows rows as PostgreSQL has them, takes out what is gone, and rebuilds ratings from ClickHouse.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, cast

from watcher.postgres.session import Session
from watcher.postgres.site.contests import unfinished, unfinished_of
from watcher.reconcile.difference_reports import DifferenceReports
from watcher.reconcile.redis.crucible import OF_VOTES, UNBALANCED, CrucibleDifference, CrucibleLook, RedisKind
from watcher.recovery.replay import ReplayDiffersError
from watcher.recovery.sweep import Sweep
from watcher.recovery.verifier import Verifier, VotesOnlyInRedisError
from watcher.redis import keys
from watcher.redis.client import Client, away_is_temporary
from watcher.redis.present import Walk, doubt
from watcher.runtime.failpoint import reach
from watcher.votes.balance import VoteBalance

REDIS: Final = "redis"
SOME_CRUCIBLES: Final = 100
"""Crucibles whose differences are held while they are looked at again. More: more memory; fewer: more waiting."""
OUTLASTED_LOOKS: Final = 3
LOOK_SECONDS: Final = 2.0
"""Looks that a difference has to outlast, and seconds between them. Fewer or shorter: what is on its way is told."""
STEP_PAGES: Final = 100
"""Pages of Redis' keys of one step of the walk."""

TableListener = Callable[[str, int, int], None]
"""Told of a table, how many of its ranges are compared, and of how many; of ``redis`` it is crucibles."""


class _State(NamedTuple):
    """What decides whether a rebuild from ClickHouse loses nothing."""

    voted: bool
    """Somebody has voted since Redis was last compared."""
    frozen: bool


class RedisComparison:
    """Compares all crucibles, and has the verifier mend them.

    Args:
        client: Redis.
        session: PostgreSQL.
        look: looks at one of them.
        balance: counts votes on both sides.
        lacks: returns whether ClickHouse lacks votes of a crucible that were counted.
        verifier: mends.
        pause: waits for some seconds.
    """

    def __init__(
        self,
        client: Client,
        session: Session,
        look: CrucibleLook,
        balance: VoteBalance,
        *,
        lacks: Callable[[int], bool],
        verifier: Verifier,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._session, self._look, self._balance = client, session, look, balance
        self._lacks = lacks
        self._votes: dict[int, int] = {}
        """How many votes ClickHouse had too many, or lacked, at the last look, by crucible."""
        self._active = set[int]()
        """Crucibles that take votes, which Redis has to hold."""
        self._hopeless = set[int]()
        """Crucibles of which nobody can tell what their ratings should be."""
        self._verifier, self._sweep, self._pause = verifier, Sweep(client, verifier), pause

    def known(self) -> list[int]:
        """Return the crucibles that Redis holds or has to hold, ascending.

        Raises:
            TemporaryError: a neighbour is away.
        """
        self._active = set(unfinished(self._session, "Active"))
        return sorted(self._held() | self._active)

    def compare_these(
        self, ids: Sequence[int], findings: DifferenceReports, heard: TableListener, *, mends: Collection[RedisKind]
    ) -> list[int]:
        """Add what differs of some of those that are known, and return the ones in which something was put right.

        Args:
            ids: of crucibles.
            findings: where to.
            heard: told how far it is, once what was found until then is added.
            mends: what to have the verifier put right, where it can be derived.

        Raises:
            TemporaryError: a neighbour is away.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        mended: list[int] = []
        for at in range(0, len(ids), SOME_CRUCIBLES):
            some = ids[at : at + SOME_CRUCIBLES]
            found = self._lasting(some)
            votes = self._votes
            self._hopeless = {
                one for one, differing in found.items() if differing and not self._derivable(one, differing)
            }
            left = self._mend(found, mends) if mends and any(found.values()) else found
            mended += [one for one, differing in found.items() if differing - left.get(one, set())]
            self._add(findings, found, left, votes)
            heard(REDIS, min(at + SOME_CRUCIBLES, len(ids)), len(ids))
        return mended

    def _held(self) -> set[int]:
        walk, whole, found = Walk(self._client), False, set[int]()
        while not whole:
            some, whole = walk.pages(STEP_PAGES)
            found.update(some)
        return found

    def _lasting(self, ids: Sequence[int]) -> dict[int, set[CrucibleDifference]]:
        """Return what differs of some crucibles at every look."""
        found = self._once(ids)
        for _ in range(1, OUTLASTED_LOOKS):
            found = {one: differing for one, differing in found.items() if differing}
            if not found:
                break
            waiting = {
                one: self._look.waiting(one)
                for one, differing in found.items()
                if any(each.kind in OF_VOTES for each in differing)
            }
            self._pause(LOOK_SECONDS)
            again = self._once(list(found))
            found = {
                one: {each for each in differing & again[one] if each.entry_id not in waiting.get(one, ())}
                for one, differing in found.items()
            }
        return found

    def _once(self, ids: Sequence[int]) -> dict[int, set[CrucibleDifference]]:
        found: dict[int, set[CrucibleDifference]] = {}
        gone = set(self._verifier.gone(ids))
        open_ones = unfinished_of(self._session, ids)
        with away_is_temporary():
            pipeline = self._client.pipeline(transaction=False)
            for one in ids:
                pipeline.exists(keys.state(one))
                pipeline.hget(keys.state(one), "row")
                pipeline.exists(keys.elo(one))
            answers = pipeline.execute()
        present = {one for one, there in zip(ids, answers[::3], strict=True) if there}
        shown = zip(ids, answers[1::3], answers[2::3], strict=True)
        taken_out = {one for one, row, entries in shown if row == b"" and not entries}
        for one in ids:
            self._pause(0.0)  # a large one takes seconds: who compares by turns keeps its turn, or ends it
            if one not in present:
                absent = {CrucibleDifference(RedisKind.ABSENT, 0, "shown is nothing, right is an active crucible")}
                found[one] = absent if one in self._active & open_ones else set()
            elif one in gone:
                found[one] = (
                    set()
                    if one in taken_out
                    else {CrucibleDifference(RedisKind.GHOST, 0, "shown is a crucible, right is nothing")}
                )
            else:
                found[one] = self._look.differing(one, finished=one not in open_ones)
        self._votes = self._balance.differing(one for one in ids if one in open_ones and one in present)
        for one, votes in self._votes.items():
            kind = RedisKind.MORE_VOTES if votes > 0 else RedisKind.FEWER_VOTES
            found[one].add(CrucibleDifference(kind, 0, "Redis has numbered others than ClickHouse has"))
        return found

    def _add(
        self,
        findings: DifferenceReports,
        found: Mapping[int, set[CrucibleDifference]],
        left: Mapping[int, set[CrucibleDifference]],
        votes: Mapping[int, int],
    ) -> None:
        for crucible_id, differing in found.items():
            for each in sorted(differing):
                said = f"crucible {crucible_id}" + (f", entry {each.entry_id}" if each.entry_id else "")
                rows = abs(votes.get(crucible_id, 1)) if each.kind in UNBALANCED else 1
                hopeless = crucible_id in self._hopeless and each.kind in {*OF_VOTES, *UNBALANCED}
                findings.add(REDIS, each.kind, f"{said}: {each.said}", rows=rows, derivable=not hopeless)
                if each not in left.get(crucible_id, ()):
                    findings.add_mended(REDIS, each.kind, rows)

    def _derivable(self, crucible_id: int, differing: Iterable[CrucibleDifference]) -> bool:
        """Return whether ratings follow from ClickHouse: its votes are those that count, no fewer and no others."""
        kinds = {each.kind for each in differing}
        state = self._state(crucible_id)
        if state.frozen or RedisKind.FEWER_VOTES in kinds or (RedisKind.MORE_VOTES in kinds and state.voted):
            return False
        # Votes that ClickHouse lacks and others that it has too many cancel each other out in numbers.
        return kinds.isdisjoint({*OF_VOTES, *UNBALANCED}) or not self._lacks(crucible_id)

    def _state(self, crucible_id: int) -> _State:
        with away_is_temporary():
            seq, frozen = cast("list[bytes | None]", self._client.hmget(keys.state(crucible_id), ["seq", keys.FROZEN]))
        return _State(int(seq or 0) > 0, frozen is not None)

    def _mend(
        self, found: Mapping[int, set[CrucibleDifference]], mends: Collection[RedisKind]
    ) -> dict[int, set[CrucibleDifference]]:
        """Have the verifier mend some crucibles; return what differs afterwards."""
        for crucible_id, differing in found.items():
            kinds = {each.kind for each in differing}.intersection(mends)
            if not kinds:
                continue
            if RedisKind.GHOST in kinds:
                self._sweep.take_out_gone([crucible_id])
                reach("repair.shown")
                continue
            if kinds & {*OF_VOTES, *UNBALANCED} and crucible_id not in self._hopeless:
                self._rebuild(crucible_id)
            elif kinds - {*OF_VOTES, *UNBALANCED}:
                doubt(self._client, [crucible_id])
                reach("repair.doubted")
                self._verifier.verify(crucible_id)
            reach("repair.shown")
        return self._once([one for one, differing in found.items() if differing])

    def _rebuild(self, crucible_id: int) -> None:
        try:
            self._verifier.rebuild(crucible_id)
        except (ReplayDiffersError, VotesOnlyInRedisError):
            self._verifier.verify(crucible_id)  # it stays as it is, and is told as not mended
