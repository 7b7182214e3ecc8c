"""Tells which differences are real, though changes of their rows may be on their way all the time.

What a look shows is what is wrong with a row, less what is on its way. Two looks between which the stream has brought
whatever was on its way at the first have no change in common. So what both show is what is wrong: a difference, or
nothing. A row that was never counted looks right while its deletion is on its way, and one that changes every second
looks wrong in another way each time; neither does at two such looks.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from watcher.reconcile.rows.differences import Difference

MAX_SIGHTS: Final = 8
"""Looks, a second apart, before the stream is waited for again. Fewer: rows that change all the time are left to a
later run; more: the others wait for them."""
MAX_TURNS: Final = 3
"""How often such looks are taken, with the stream waited for in between, until a row is left as it is."""
LOOK_SECONDS: Final = 1.0
"""Seconds between two looks."""


class Confirmed(msgspec.Struct, frozen=True):
    """What has become of some differences."""

    real: list[Difference]
    """Those that are there, as they are by now."""
    unclear: list[Difference]
    """Those of rows that no two looks showed alike, as they were."""


def confirmed(
    found: Sequence[Difference],
    look: Callable[[Sequence[int]], Iterable[Difference]],
    pause: Callable[[float], None],
    await_come: Callable[[], None],
) -> Confirmed:
    """Return which of some differences are real; what was on its way when they were found has to have come.

    Args:
        found: the differences.
        look: returns what differs of the rows with some keys by now.
        pause: waits for some seconds.
        await_come: returns when the stream has brought what is on its way.

    Raises:
        StreamStandsError: the stream does not go on.
        TemporaryError: a neighbour is away.
    """
    sure: dict[int, Difference | None] = {}
    before: dict[int, set[Difference | None]] = {one.key: {one} for one in found}
    for turn in range(MAX_TURNS):
        if turn:
            await_come()
        before = _seen_since(before, sure, look, pause)
        if not before:
            break
    real = [one for each in found if (one := sure.get(each.key)) is not None]
    return Confirmed(real, [one for one in found if one.key not in sure])


def _seen_since(
    before: dict[int, set[Difference | None]],
    sure: dict[int, Difference | None],
    look: Callable[[Sequence[int]], Iterable[Difference]],
    pause: Callable[[float], None],
) -> dict[int, set[Difference | None]]:
    """Look at rows until each look shows what an earlier one did; return all that was seen of those that never do."""
    seen: dict[int, set[Difference | None]] = {key: set() for key in before}
    for number in range(MAX_SIGHTS):
        if number:
            pause(LOOK_SECONDS)
        there = {one.key: one for one in look(list(seen))}
        sure.update((key, one) for key in seen if (one := there.get(key)) in before[key])
        seen = {key: was | {there.get(key)} for key, was in seen.items() if key not in sure}
        if seen.keys().isdisjoint(there):
            break  # they look right, and do until the stream is waited for
    return {key: before[key] | was for key, was in seen.items()}
