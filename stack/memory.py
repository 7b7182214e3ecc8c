"""What a stack must remember to come back on data that was kept: its passwords and its ports."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE = "remembered.json"


class Memory:
    """Values by name, in a file that only its owner can read."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._values: dict[str, str | int] = {}
        if self._file.exists():
            self._values = json.loads(self._file.read_text())

    def password(self, name: str) -> str:
        """Return the password under this name; a new one the first time. It needs no escaping in a URL."""
        return str(self._values.setdefault(f"{name}_password", secrets.token_hex(12)))

    def port(self, name: str) -> int | None:
        """Return the port that was last noted under this name."""
        value = self._values.get(f"{name}_port")
        return None if value is None else int(value)

    def note_port(self, name: str, port: int) -> None:
        """Remember a port under this name, in memory; :meth:`write` puts it on disk."""
        self._values[f"{name}_port"] = port

    def write(self) -> None:
        """Put everything on disk."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(self._values, file, indent=1)

    def forget(self) -> None:
        """Remove the file, so that the next stack of this folder begins with new values."""
        self._file.unlink(missing_ok=True)
