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
    """Whoever does not read hears nothing, and that says nothing about the source."""
    paused = StreamSigns(last_event=None, last_heartbeat=None, paused=True, unpublished=True)

    assert stream_state(paused, started=STARTED, now=NOW, stalled_after=SILENCE) is StreamState.PAUSED


@pytest.mark.parametrize(
    ("event", "heartbeat", "overdue", "expected"),
    [
        (1_900.0, 1_995.0, 70.0, StreamState.CUT_OFF),  # the last change came before the beat was written
        (1_930.0, 1_995.0, 70.0, StreamState.CUT_OFF),  # or was written before it, and came a moment later
        (1_950.0, 1_995.0, 70.0, StreamState.IDLE),  # changes come: the beat has only not come yet
        (1_850.0, 1_880.0, 130.0, StreamState.STALLED),  # nothing comes since: the connector stands still
        (1_850.0, 1_960.0, 70.0, StreamState.IDLE),  # it may have died with the beat, so it is waited for
        (1_850.0, None, 70.0, StreamState.STALLED),
        (None, 1_995.0, 70.0, StreamState.CUT_OFF),
        (1_900.0, 1_995.0, None, StreamState.IDLE),
    ],
)
def test_a_beat_that_does_not_come_back_tells_cut_off_from_quiet(
    event: float | None, heartbeat: float | None, overdue: float | None, expected: StreamState
):
    """Debezium's heartbeat goes on when the publication is gone; what the watcher wrote does not come then.

    The changes are another table's: a backlog that is being sent proves the way for all.
    """
    signs = StreamSigns(last_event=None, last_heartbeat=heartbeat, last_of_any=event, beat_overdue_for=overdue)

    assert expected is stream_state(signs, started=STARTED, now=NOW, stalled_after=SILENCE)


def test_beats_of_another_replica_prove_the_way_too():
    """One process hears the heartbeat and one the beats; of what either kept, the others learn."""
    signs = StreamSigns(last_event=None, last_heartbeat=None, last_beat=1_995.0)

    assert stream_state(signs, started=STARTED, now=NOW, stalled_after=SILENCE) is StreamState.IDLE


def test_a_table_that_is_not_published_is_cut_off_at_once():
    """Whatever came of it a moment ago."""
    signs = StreamSigns(last_event=NOW, last_heartbeat=NOW, unpublished=True)

    assert stream_state(signs, started=STARTED, now=NOW, stalled_after=SILENCE) is StreamState.CUT_OFF
