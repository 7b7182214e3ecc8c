"""What tests of the loop begin with."""

import pytest

from tests.unit.changes.looped import Looped, opened


@pytest.fixture
def world() -> Looped:
    """Return a loop whose first record is written and acknowledged, with the steps of that forgotten."""
    looped = Looped()
    looped.produce(opened())
    looped.turns_for(3.0)
    looped.steps.clear()
    return looped
