"""Admission in Redis, for a thread: shows placements, tells what is shown, and takes turns with other processes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from redis.exceptions import NoScriptError

from watcher.redis import keys
from watcher.redis.admit import ADMIT, Placement, PlacementChange, admit_argument, admit_keys, effects
from watcher.redis.client import Client, away_is_temporary

MAX_PLACEMENTS: Final = 500
"""Placements of one script call, about two milliseconds in which votes wait."""
MAX_ENTRIES: Final = 5_000
"""Entries of one question."""
SWEEP_SILENCE_SECONDS: Final = 60
"""Seconds after which a sweep that says nothing counts as dead; two at once are harmless."""


class Admissions:
    """Shows in Redis which entries are admitted, and reads that.

    Args:
        client: answers bytes.

    Every method raises ``TemporaryError`` while Redis is away.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def present(self, crucible_id: int) -> bool:
        """Return whether Redis holds the crucible at all."""
        with away_is_temporary():
            return bool(self._client.exists(keys.state(crucible_id)))

    def levels(self, crucible_id: int, entries: Sequence[int]) -> list[int]:
        """Return the level under which each entry is shown; 0 for one that is not."""
        found: list[int] = []
        with away_is_temporary():
            for at in range(0, len(entries), MAX_ENTRIES):
                some = [str(entry) for entry in entries[at : at + MAX_ENTRIES]]
                answer = cast("list[Any]", self._client.hmget(keys.admitted(crucible_id), some))
                found += [int(level) if level else 0 for level in answer]
        return found

    def admit(self, placements: Mapping[int, Sequence[Placement]]) -> Iterator[tuple[int, Placement, PlacementChange]]:
        """Show placements by crucible; return crucible, placement and what it came to, but for crucibles not held."""
        calls = [
            (crucible_id, some[at : at + MAX_PLACEMENTS])
            for crucible_id, some in placements.items()
            for at in range(0, len(some), MAX_PLACEMENTS)
        ]
        for (crucible_id, some), answer in zip(calls, self._run(calls), strict=True):
            for placement, change in zip(some, effects(answer), strict=bool(answer)):
                yield crucible_id, placement, change

    def _run(self, calls: Sequence[tuple[int, Sequence[Placement]]]) -> list[Any]:
        """Run the script for all calls in one round trip."""
        if not calls:
            return []
        with away_is_temporary():
            try:
                return self._send(calls)
            except NoScriptError:
                self._client.script_load(ADMIT.text)
                return self._send(calls)

    def _send(self, calls: Sequence[tuple[int, Sequence[Placement]]]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for crucible_id, some in calls:
            names = admit_keys(crucible_id)
            # In these words, for a cluster's pipeline refuses ``evalsha``.
            pipeline.execute_command("EVALSHA", ADMIT.sha, len(names), *names, admit_argument(some))
        return pipeline.execute()

    def due_in(self) -> float:
        """Return the seconds until the next sweep is due, 0 if it is."""
        with away_is_temporary():
            return max(0, self._client.pttl(keys.ADMISSION_SWEPT)) / 1000

    def take_turn(self) -> bool:
        """Return whether this process shall sweep now, because no other one does."""
        with away_is_temporary():
            return bool(self._client.set(keys.ADMISSION_SWEEPING, "", nx=True, ex=SWEEP_SILENCE_SECONDS))

    def keep_turn(self) -> None:
        """Keep the turn, because the sweep goes on."""
        with away_is_temporary():
            self._client.expire(keys.ADMISSION_SWEEPING, SWEEP_SILENCE_SECONDS)

    def swept(self, interval: float) -> None:
        """End the sweep; the next one is due in so many seconds, 0 for at once."""
        with away_is_temporary():
            if interval > 0:
                self._client.set(keys.ADMISSION_SWEPT, "", px=max(1, int(interval * 1000)))
            self._client.delete(keys.ADMISSION_SWEEPING)

    def close(self) -> None:
        """Close the connections to the neighbour."""
        self._client.close()
