"""What tests of the settings begin with."""

import os

import pytest


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of ours comes from whoever runs the tests."""
    for name in [name for name in os.environ if name.upper().startswith("CRUCIBLE_")]:
        monkeypatch.delenv(name)
