"""The generated pages are what the program says of itself now."""

import pytest

from watcher.cli.reference import ROOT, pages


@pytest.mark.parametrize("name", pages())
def test_the_page_is_up_to_date(name: str):
    """A metric, handler or setting that changed is documented: run `python -m watcher.cli.reference`."""
    assert (ROOT / name).read_text() == pages()[name]
