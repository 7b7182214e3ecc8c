"""The owner's side of the eraser: folders that do not outlive us."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ERASER = Path(__file__).with_name("eraser.py")


class Guard:
    """Folders, there or yet to be made, that are removed when this is released or its owner ends, however it ends."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._eraser = subprocess.Popen(
            [sys.executable, "-I", "-S", str(ERASER), str(os.getpid()), *map(str, folders)],
            stdin=subprocess.PIPE,  # its end is the sign
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def release(self) -> None:
        """Remove the folders now, and return when they are gone."""
        if self._eraser.stdin:
            self._eraser.stdin.close()
        self._eraser.wait()
