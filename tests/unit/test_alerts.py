"""Each rule of ``monitoring/alerts.yml`` on recorded series: it fires while its state lasts, and in no other."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

MONITORING = Path(__file__).resolve().parents[2] / "monitoring"
RULES = [
    rule["alert"]
    for group in YAML(typ="safe").load((MONITORING / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
SHORT_STEP_SECONDS, LONG_STEP_SECONDS = 5, 15
"""Between two scrapes: as in prometheus.yml, or fewer, where the story is long."""
WELL_MINUTES, BROKEN_MINUTES, OVER_MINUTES = 12, 72, 25
"""How long it is well before, how long the state lasts, and how long it is over."""
SHORT_SECONDS = 20
"""An outage that nobody is to be woken by."""


@dataclass(frozen=True)
class Story:
    """What a series is like: values of a gauge, or what a counter grows by a step.

    ``now`` stands for a timestamp that goes on, ``stands`` for one that does not, ``absent`` for no sample at all.
    """

    series: str
    well: float | str
    broken: float | str
    counter: bool = False
    momentary: bool = True
    """Whether the state is an outage, which may be short; else it is a fact that somebody has to see to."""


def counted(series: str, well: float, broken: float) -> Story:
    return Story(series, well, broken, counter=True)


def fact(series: str, well: float | str, broken: float | str) -> Story:
    return Story(series, well, broken, momentary=False)


VOTES, PAIRS = 'route="/v1/crucibles/{id}/votes"', 'route="/v1/crucibles/{id}/pair"'
REQUESTS, TOOK, FRESH = (
    "crucible_http_requests_total",
    "crucible_http_request_duration_seconds_bucket",
    "crucible_freshness_seconds_bucket",
)
ENTRIES, CRUCIBLES = 'table="CrucibleEntry"', 'table="Crucible"'
STORIES: dict[str, list[Story]] = {
    "CrucibleStreamStalled": [
        Story(f'crucible_stream_state{{{ENTRIES},state="idle"}}', 1, 0),
        Story(f'crucible_stream_state{{{ENTRIES},state="stalled"}}', 0, 1),
    ],
    "CrucibleStreamCutOff": [
        fact(f'crucible_stream_state{{{CRUCIBLES},state="idle"}}', 1, 0),
        fact(f'crucible_stream_state{{{CRUCIBLES},state="cut_off"}}', 0, 1),
    ],
    "CrucibleLoopStuck": [Story("crucible_loop_last_turn_timestamp_seconds", "now", "stands")],
    "CrucibleVotesFail": [
        counted(f'{REQUESTS}{{{VOTES},status="200"}}', 50, 0), counted(f'{REQUESTS}{{{VOTES},status="503"}}', 0, 50),
    ],
    "CruciblePairsFail": [
        counted(f'{REQUESTS}{{{PAIRS},status="200"}}', 50, 40), counted(f'{REQUESTS}{{{PAIRS},status="503"}}', 0, 10),
    ],
    "CrucibleNoApi": [
        Story('crucible_redis_link_up{link="votes",instance="api"}', 1, "absent"),
        Story('crucible_redis_link_up{link="votes",instance="watcher"}', 0, 0),
    ],
    "CrucibleNeighbourAway": [
        Story('crucible_neighbour_up{neighbour="redis"}', 1, 0),
        Story('crucible_neighbour_refuses{neighbour="redis"}', 0, 0),
    ],
    "CrucibleNeighbourRefuses": [
        Story('crucible_neighbour_refuses{neighbour="postgres"}', 0, 1),
        Story('crucible_neighbour_up{neighbour="postgres"}', 1, 0),
    ],
    "CrucibleConnectorStands": [Story('crucible_slot_active{slot="crucible"}', 1, 0)],
    "CrucibleConnectorTaskFailed": [
        Story('crucible_connector_tasks{connector="crucible",state="failed",instance="a"}', 0, 1),
        Story('crucible_connector_tasks{connector="crucible",state="running",instance="a"}', 1, 0),
    ],
    "CrucibleConnectorGivenUp": [fact('crucible_connector_given_up{connector="crucible"}', 0, 1)],
    "CrucibleConnectorPaused": [Story('crucible_connector_tasks{connector="crucible",state="paused"}', 0, 1)],
    "CrucibleTablePaused": [Story(f"crucible_table_paused_since_timestamp_seconds{{{ENTRIES}}}", 0, "stands")],
    "CrucibleLogHeld": [fact('crucible_slot_retained_bytes{slot="crucible"}', 1e6, 6e9)],
    "CrucibleEventsBegunAnew": [fact("crucible_events_begun_anew_timestamp_seconds", 0, 1.7e9)],
    "CrucibleVotesSlow": [
        counted(f'{TOOK}{{{VOTES},le="0.1"}}', 50, 0), counted(f'{TOOK}{{{VOTES},le="1"}}', 50, 50),
        counted(f'{TOOK}{{{VOTES},le="+Inf"}}', 50, 50),
    ],
    "CrucibleNobodyReads": [Story('crucible_consumer_assigned{topic="postgres.Crucible",partition="0"}', 1, 0)],
    "CrucibleReadingPaused": [Story("crucible_paused_partitions", 0, 3)],
    "CrucibleLagGrows": [
        Story('crucible_consumer_lag_messages{topic="postgres.Crucible",partition="0"}', 0, "grows"),
    ],
    "CrucibleStale": [
        counted(f'{FRESH}{{{ENTRIES},sink="redis",le="0.1"}}', 50, 0),
        counted(f'{FRESH}{{{ENTRIES},sink="redis",le="+Inf"}}', 50, 0),
        Story(f'crucible_waiting_since_timestamp_seconds{{{ENTRIES},sink="redis"}}', "now", "stands"),
    ],
    "CrucibleDeadLetters": [counted(f'crucible_dlq_events_total{{{ENTRIES},reason="bad_row"}}', 0, 1)],
    "CrucibleUnaccounted": [
        fact(f"crucible_events_consumed_total{{{CRUCIBLES}}}", 100, 101),
        *(fact(f"crucible_events_{what}{{{CRUCIBLES}}}", value, value) for what, value in (
            ("applied_total", 90), ("ignored_total", 5), ("in_flight", 2),
        )),
        fact(f"crucible_dlq_events_total{{{CRUCIBLES}}}", 3, 3),
    ],
    "CrucibleCommitsRefused": [counted("crucible_offset_commit_errors_total", 0, 2)],
    "CrucibleSinkFails": [counted('crucible_sink_errors_total{sink="clickhouse"}', 0, 2)],
    "CrucibleComparisonNeeded": [fact(f'crucible_reconcile_needed{{{ENTRIES},reason="truncate"}}', 0, 1)],
    "CrucibleDrift": [fact(f'crucible_drift_rows{{{ENTRIES},kind="missing"}}', 0, 3)],
    "CrucibleComparisonStands": [Story("crucible_reconcile_last_run_timestamp_seconds", "now", "stands")],
    "CrucibleVotesNotDrained": [Story("crucible_votes_drained_until_timestamp_seconds", "now", "stands")],
    "CrucibleVotesUnbalanced": [fact("crucible_crucibles_unbalanced", 0, 1)],
    "CrucibleOutboxParked": [fact('crucible_outbox_rows{channel="buzz",state="parked"}', 0, 1)],
    "CrucibleOutboxOld": [Story('crucible_outbox_oldest_timestamp_seconds{channel="buzz"}', "now", "stands")],
    "CrucibleEntriesWaitLong": [Story("crucible_entries_waiting_since_timestamp_seconds", "now", "stands")],
    "CrucibleSettlementParked": [fact('crucible_settlements{state="parked"}', 0, 1)],
    "CrucibleSettlementLate": [
        Story('crucible_settlement_oldest_timestamp_seconds{state="frozen"}', "now", "stands"),
    ],
    "CrucibleCheckpointsLate": [Story("crucible_checkpoint_timestamp_seconds", "now", "stands")],
}  # fmt: skip


@dataclass(frozen=True)
class Phase:
    """A stretch of a story."""

    broken: bool
    seconds: float


def values(story: Story, phases: list[Phase], step: int) -> str:
    """Return what Prometheus scrapes of a story every ``step`` seconds, in promtool's words."""
    scraped: list[str] = []
    total, at = 0.0, 0
    for phase in phases:
        value, began = (story.broken if phase.broken else story.well), at
        for number in range(round(phase.seconds / step)):
            if story.counter:
                total += float(value)
                scraped.append(f"{total:g}")
            elif value == "absent":
                scraped.append("_")
            elif value in {"now", "stands"}:
                scraped.append(str(max(1, at if value == "now" else began)))  # 0 says nothing
            elif value == "grows":
                scraped.append(str(20_000 + 500 * number))
            else:
                scraped.append(f"{float(value):.0f}")
            at += step
    return " ".join(scraped)


def told(alerts: list[str], phases: list[Phase], step: int, looks: dict[float, bool]) -> dict[str, Any]:
    """Return a test of promtool.

    Args:
        alerts: whose stories are told, side by side: their series do not meet.
        phases: of all of them.
        step: seconds between two scrapes.
        looks: whether each of them fires, by minute.
    """
    return {
        "interval": f"{step}s",
        "input_series": [
            {"series": one.series, "values": values(one, phases, step)} for alert in alerts for one in STORIES[alert]
        ],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)',
                "eval_time": f"{round(minute * 60)}s",
                "exp_samples": [{"labels": "{}", "value": int(fires)}],
            }
            for minute, fires in looks.items()
            for alert in alerts
        ],
    }


def lasting(alerts: list[str]) -> dict[str, Any]:
    """It is well, then the state lasts, then it is over."""
    well, ends = WELL_MINUTES, WELL_MINUTES + BROKEN_MINUTES
    phases = [Phase(False, well * 60), Phase(True, BROKEN_MINUTES * 60), Phase(False, OVER_MINUTES * 60)]
    looks = dict.fromkeys((1, 5, 10, well - 0.5), False) | {ends - 0.5: True, ends + OVER_MINUTES - 1: False}
    return told(alerts, phases, LONG_STEP_SECONDS, looks)


def short(alerts: list[str]) -> dict[str, Any]:
    """An outage of twenty seconds, and what is after it."""
    well = WELL_MINUTES
    phases = [Phase(False, well * 60), Phase(True, SHORT_SECONDS), Phase(False, OVER_MINUTES * 60)]
    after = (10, 20, 40, 60, 90, 120, 180, 240, 300, 360, 600, 900, 1200)
    return told(alerts, phases, SHORT_STEP_SECONDS, dict.fromkeys((well + at / 60 for at in after), False))


def promtool(folder: Path, rules: Path, tests: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no promtool on the PATH: install the package prometheus")
        pytest.skip("there is no promtool on the PATH; Debian's package prometheus has it")
    file = folder / "tests.json"
    content = {"rule_files": [str(rules)], "evaluation_interval": "15s", "tests": tests}
    file.write_text(json.dumps(content))
    return subprocess.run([program, "test", "rules", file], capture_output=True, text=True, timeout=120, check=False)


def test_each_alert_has_its_story() -> None:
    """And its row in the table of what may go wrong, so that whoever is woken finds what to do."""
    page = (MONITORING.parent / "docs" / "operating.md").read_text()

    assert sorted(STORIES) == sorted(RULES)
    assert [alert for alert in RULES if f"`{alert}`" not in page] == []


def test_each_alert_fires_while_its_state_lasts(tmp_path: Path) -> None:
    """Not before, and not any more when it is over."""
    done = promtool(tmp_path, MONITORING / "alerts.yml", [lasting(list(STORIES))])

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_short_outage_wakes_nobody_afterwards(tmp_path: Path) -> None:
    """Rules that count over minutes saw it for minutes, and fired when it had long been over."""
    outages = [
        alert for alert, stories in STORIES.items() if all(one.momentary for one in stories)
        if alert != "CrucibleDeadLetters"  # each letter is one to look at
    ]  # fmt: skip
    done = promtool(tmp_path, MONITORING / "alerts.yml", [short(outages)])

    assert len(outages) > 15
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("alert", "sound", "unsound", "story"),
    [
        ("CrucibleSinkFails", "sink_errors_total[1m]", "sink_errors_total[10m]", short),
        ("CrucibleStale", " > 30", " > 1e9", lasting),
        ("CruciblePairsFail", "/pair", "/pairs", lasting),
    ],
)  # fmt: skip
def test_a_rule_that_is_not_sound_is_found(tmp_path: Path, alert: str, sound: str, unsound: str, story: Any) -> None:
    """The control: one that remembers too long, one whose data an outage takes away, one that looks elsewhere."""
    text = (MONITORING / "alerts.yml").read_text()
    assert sound in text
    rules = tmp_path / "alerts.yml"
    rules.write_text(text.replace(sound, unsound))

    assert promtool(tmp_path, rules, [story([alert])]).returncode != 0
