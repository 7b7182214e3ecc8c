"""What the tests of the local topology share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stack import Stack
from tests.stack.watching import provided

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything, once for these tests; below a folder of mode 700, as a clone is, and with a name beyond ASCII."""
    with provided():
        topology = Stack(tmp_path_factory.mktemp("the stäck"))
        topology.start()
    yield topology
    topology.close()
