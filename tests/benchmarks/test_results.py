"""What was measured stays on file under its name, and a missed goal is a missed goal."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from benchmarks.results import Result, merge, percentile, show

if TYPE_CHECKING:
    from pathlib import Path

FRESH = Result("freshness_redis_p99_s", 0.25, "s", baseline=30.0, goal=0.3, lower_is_better=True)


def test_what_another_run_measured_stays(tmp_path: Path) -> None:
    """A run of one benchmark replaces its own numbers and leaves the others'."""
    path = tmp_path / "results.json"
    merge([FRESH, Result("peak_rss_mb", 200, "MB")], path)
    merge([Result("peak_rss_mb", 150, "MB")], path)

    assert json.loads(path.read_text()) == {
        "freshness_redis_p99_s": {"value": 0.25, "unit": "s", "baseline": 30.0, "goal": 0.3, "met": True},
        "peak_rss_mb": {"value": 150, "unit": "MB", "baseline": None, "goal": None, "met": None},
    }
    assert [each.name for each in tmp_path.iterdir()] == ["results.json"]


@pytest.mark.parametrize(
    ("value", "lower_is_better", "met"),
    [(0.30, True, True), (0.31, True, False), (0.30, False, True), (0.29, False, False)],
)
def test_goal_is_met_on_its_side(value: float, lower_is_better: bool, met: bool) -> None:
    """At the goal is met; beyond it depends on which way is better."""
    assert Result("x", value, "s", goal=0.3, lower_is_better=lower_is_better).met is met


def test_percentile_of_nothing_is_refused() -> None:
    """No value is no measurement."""
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.99)


def test_table_says_which_goal_is_missed() -> None:
    """The table shows the goal with its side, and NO where it is missed."""
    out = io.StringIO()
    show([FRESH, Result("cdc_json_vs_decode_limit", 0.2, "ratio", goal=0.35)], Console(file=out, width=120))

    rows = [line for line in out.getvalue().splitlines() if "freshness" in line or "cdc" in line]
    assert "≤ 0.3" in rows[0]
    assert "yes" in rows[0]
    assert "≥ 0.35" in rows[1]
    assert "NO" in rows[1]
