"""What a person sees while parts are fetched: a moving line on a terminal, plain lines elsewhere. Always stderr."""

from __future__ import annotations

import sys
import threading
import time
from typing import TextIO

# Seconds between two looks of a moving line, and between two plain lines.
TERMINAL_EVERY_SECONDS = 0.1
PLAIN_EVERY_SECONDS = 5.0
BYTES_PER_MB = 1_000_000


class DownloadProgress:
    """Count files and bytes of one shelf; safe to call from several threads."""

    def __init__(self, what: str, files: int, stream: TextIO | None = None) -> None:
        self._what = what
        self._files = files
        self._stream = stream or sys.stderr
        self._moving = self._stream.isatty()
        self._done = 0
        self._bytes = 0
        self._began = self._shown = time.monotonic()
        self._lock = threading.Lock()
        self._say(
            f"stack: fetching {what} ({files} file{'s' if files > 1 else ''})", end="\r" if self._moving else "\n"
        )

    def advance(self, count: int) -> None:
        """Note ``count`` more bytes."""
        with self._lock:
            self._bytes += count
            now = time.monotonic()
            if now - self._shown >= (TERMINAL_EVERY_SECONDS if self._moving else PLAIN_EVERY_SECONDS):
                self._shown = now
                self._say(self._line(), end="\r" if self._moving else "\n")

    def file_done(self) -> None:
        """Note that one more file is in the cache."""
        with self._lock:
            self._done += 1

    def finish(self) -> None:
        """Say what it came to."""
        took = time.monotonic() - self._began
        self._say(f"{self._line()} in {took:.1f} s", end="\n")

    def _line(self) -> str:
        return f"stack: {self._what}: {self._done}/{self._files} files, {self._bytes / BYTES_PER_MB:.1f} MB"

    def _say(self, line: str, end: str) -> None:
        clear = "\x1b[2K" if self._moving else ""
        print(f"{clear}{line}", end=end, file=self._stream, flush=True)
