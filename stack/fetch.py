"""Download the parts and start none: ``python -m stack.fetch [part ...]``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stack.topology import EVERYTHING, Options, Stack
from stack.unavailable import Unavailable

if TYPE_CHECKING:
    from collections.abc import Collection


def fetch(parts: Collection[Any] = EVERYTHING) -> None:
    """Bring everything that these parts need into the cache; with a full cache, do nothing.

    Raises:
        Unavailable: the first part that cannot be had.

    """
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder), parts, Options())
        try:
            stack.fetch()
        finally:
            stack.discard()


if __name__ == "__main__":
    try:
        fetch(sys.argv[1:] or EVERYTHING)
    except (Unavailable, ValueError) as error:
        sys.exit(f"stack: {error}")
