"""How machines that make up histories are run where each step asks real parts."""

from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def run_histories(machine: type[RuleBasedStateMachine], *, examples: int, steps: int, **other: Any) -> None:
    """Run so many histories, the same ones each time, and no smaller ones after a failure: that would take hours."""
    given = {"derandomize": True, **other}
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, database=None,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate], **given,
        ),
    )  # fmt: skip
