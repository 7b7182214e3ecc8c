"""The generated files are what the program says of itself now."""

import pytest

from watcher.cli.reference import ROOT, STEPS

FILES = {name: content for step in STEPS for name, content in step().items()}


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_up_to_date(name: str):
    """A table, metric, handler, route or setting that changed stands in every file that tells of it."""
    assert (ROOT / name).read_text() == FILES[name], f"{name} is stale: run `make docs`"
