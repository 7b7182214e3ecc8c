"""What is written where a process is to die is read strictly: one that never comes would look like a proof."""

import pytest

from watcher.runtime.failpoint import _Armed


@pytest.mark.parametrize(
    "text", ["nowhere", "insert.sending:0", "insert.sending:-1", "insert.sending:x", "insert.sending:1:die"]
)
def test_a_place_that_is_never_reached_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected PLACE\[:COUNT\[:kill\|stop\]\]"):
        _Armed(text)


@pytest.mark.parametrize(
    ("text", "left"), [("insert.sending", 1), ("insert.sending:3", 3), ("insert.sending:2:stop", 2)]
)
def test_a_place_and_how_often(text: str, left: int) -> None:
    assert _Armed(text).left == left
