"""What benchmarks measured: a file that keeps what an earlier run measured, and a table on the screen."""

import json
import math
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True, slots=True)
class Result:
    """One measured number.

    >>> Result("freshness_redis_p99_s", 0.25, "s", baseline=30.0, goal=0.3, lower_is_better=True).met
    True
    """

    name: str
    value: float
    unit: str
    baseline: float | None = None
    """To compare with: the engine that this one replaces, on two cores, or the limit that a ratio is of; or None."""
    goal: float | None = None
    """What was asked for; None for a number that is reported only."""
    lower_is_better: bool = False

    @property
    def met(self) -> bool | None:
        """Return whether the goal is reached; None without a goal."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.lower_is_better else self.value >= self.goal

    def entry(self) -> dict[str, float | str | bool | None]:
        """Return the result as it stands in the file."""
        fields = asdict(self)
        return {key: fields[key] for key in ("value", "unit", "baseline", "goal")} | {"met": self.met}


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value that ``share`` of all values do not exceed (nearest rank).

    >>> percentile(range(1, 101), 0.99), percentile([3.0], 0.5)
    (99, 3.0)
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values to take a percentile of")
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def merge(results: Iterable[Result], path: Path = RESULTS) -> None:
    """Put results into the file; what other runs measured stays. The file is whole at any time."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = {}
    known |= {result.name: result.entry() for result in results}
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        json.dump(known, file, indent=2, sort_keys=True)
        file.write("\n")
    Path(file.name).replace(path)


def show(results: Iterable[Result], console: Console) -> None:
    """Print results as a table."""
    table = Table("", "measured", "goal", "baseline", "met", title="benchmarks")
    for number in (1, 2, 3):
        table.columns[number].justify = "right"
    for result in results:
        digits = ",.0f" if result.value >= 1_000 else ".4g"
        sign = "≤" if result.lower_is_better else "≥"
        table.add_row(
            result.name,
            f"{result.value:{digits}} {result.unit}",
            "" if result.goal is None else f"{sign} {result.goal:g}",
            "" if result.baseline is None else f"{result.baseline:,.4g}",
            {None: "", True: "yes", False: "NO"}[result.met],
        )
    console.print(table)
