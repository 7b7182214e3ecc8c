"""Stalled is told from idle by the heartbeat, and a wrong answer wakes somebody at night."""

import pytest

from watcher.telemetry.stream_state import StreamSigns, StreamState, stream_state

STARTED, NOW, SILENCE = 1_000.0, 2_000.0, 120.0


@pytest.mark.parametrize(
    ("event", "heartbeat", "expected"),
    [
        (1_950.0, None, StreamState.LIVE),
        (1_950.0, 1_000.0, StreamState.LIVE),  # changes prove the way as well as heartbeats do
        (1_000.0, 1_950.0, StreamState.IDLE),
        (None, 1_950.0, StreamState.IDLE),
        (None, None, StreamState.STALLED),
        (1_880.0, 1_880.0, StreamState.STALLED),  # 120 s of silence: the bound itself is too long
        (1_880.1, 1_880.0, StreamState.LIVE),
    ],
)
def test_silence_decides(event: float | None, heartbeat: float | None, expected: StreamState):
    """Changes make it live, heartbeats alone idle, neither stalled."""
    signs = StreamSigns(last_event=event, last_heartbeat=heartbeat)

    assert expected is stream_state(signs, started=STARTED, now=NOW, stalled_after=SILENCE)


def test_a_start_is_not_a_stall():
    """A process that has just begun to read has not been silent yet."""
    signs = StreamSigns(last_event=None, last_heartbeat=None)

    assert stream_state(signs, started=NOW - 1, now=NOW, stalled_after=SILENCE) is StreamState.IDLE


def test_what_we_do_ourselves_comes_first():
    """Failed outweighs paused, and paused outweighs whatever was heard last."""
    paused = StreamSigns(last_event=NOW, last_heartbeat=NOW, paused=True)
    failed = StreamSigns(last_event=NOW, last_heartbeat=NOW, paused=True, failed=True)

    states = [stream_state(signs, started=STARTED, now=NOW, stalled_after=SILENCE) for signs in (paused, failed)]

    assert states == [StreamState.PAUSED, StreamState.FAILED]
