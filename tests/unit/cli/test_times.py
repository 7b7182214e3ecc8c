"""A time on the command line is the same moment for every command, or is refused in one way."""

import time
from datetime import UTC, datetime

import pytest
import typer

from watcher.cli.times import time_of

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31T12:00", NOON),
        ("2026-01-31 14:00:00+02:00", NOON),
        ("20260131T120000", NOON),
        ("2026-01-31", NOON.replace(hour=0)),
    ],
)
def test_a_time_without_a_zone_is_in_utc(text: str, moment: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the machine is."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        given = time_of(text, "--since")
    finally:
        monkeypatch.undo()
        time.tzset()

    assert given == moment


@pytest.mark.parametrize(
    "text", ["", "yesterday", "1769860800", "2026-02-30", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"]
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    """Also one that is beyond the years of UTC."""
    with pytest.raises(typer.BadParameter, match=r"is not a time like 2026-01-31 or 2026-01-31T12:00:00Z"):
        time_of(text, "--since")


def test_none_is_none() -> None:
    assert time_of(None, "--since") is None
