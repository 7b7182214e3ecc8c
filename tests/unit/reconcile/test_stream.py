"""Who waits for the stream says for what, then what to do, and gives up."""

from typing import Any, cast

import pytest

from watcher.reconcile.repairs.stream import LONG_SECONDS, PATIENCE_SECONDS, Stream, StreamStandsError


class Quiet:
    """A PostgreSQL without paused tables, and a slot that stays where it is; time passes as somebody waits."""

    def __init__(self) -> None:
        self.told = list[tuple[float, str]]()
        self.seconds, self.passes_at = 0.0, float("inf")

    def read(self, statement: str, *_: object) -> list[tuple[Any, ...]]:
        """Answer what is asked of paused tables, and of the slot."""
        return [] if "table_pause" in statement else [(None, self.seconds >= self.passes_at)]

    def wait(self, seconds: float) -> None:
        self.seconds += seconds

    def tell(self, words: str) -> None:
        self.told.append((self.seconds, words))

    def stream(self) -> Stream:
        """The stream of it, which has no topics."""
        return Stream(
            cast("Any", self), cast("Any", Nothing()), slot="crucible", group="g", topics=(), told=self.tell,
            pause=self.wait, clock=lambda: self.seconds,
        )  # fmt: skip


class Nothing:
    """A Kafka without topics."""

    def topics(self) -> dict[str, int]:
        return {}

    def matching(self, _: object) -> list[str]:
        return []

    def bounds(self, _: object) -> dict[Any, Any]:
        return {}


def test_who_waits_long_is_told_what_to_do_and_gives_up_in_the_end() -> None:
    quiet = Quiet()

    with pytest.raises(
        StreamStandsError, match=r"waited 300 s for the slot crucible .*: see `crucible connector status`"
    ):
        quiet.stream().await_passed(5)
    (first, said), (second, advice) = quiet.told
    assert (first, said) == (0.0, "waiting for the slot crucible to pass on what was written until now")
    assert (second, "300 s at most: see `crucible connector status`" in advice) == (LONG_SECONDS, True)
    assert quiet.seconds == PATIENCE_SECONDS + 1
