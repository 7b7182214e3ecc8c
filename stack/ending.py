"""Being told to end, by SIGTERM or SIGINT, as the main thread of a process can wait for it.

A ``threading.Event`` that a signal handler sets is no such thing. The kernel may hand a signal to any thread (it does
so when the process stood still a moment ago), and Python's handler then waits for a main thread that nothing wakes; and
a handler that comes while the main thread is inside ``wait`` needs the lock that this one holds. Here Python's C
handler writes to a pipe, whichever thread it runs in, and the main thread polls that.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress


class EndSignal:
    """Whether this process has been told to end; make it once, in the main thread.

    Both signals are caught from here on for as long as the process lives; any other one with a handler in Python counts
    as well, and so does one to a child that was forked and runs on. See `signal.set_wakeup_fd` in Python's library.
    """

    def __init__(self) -> None:
        self._asked, self._ask = os.pipe()
        os.set_blocking(self._ask, False)
        signal.set_wakeup_fd(self._ask, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        self._poller = select.poll()
        self._poller.register(self._asked, select.POLLIN)

    def ask(self) -> None:
        """Tell it as a signal would; from any thread."""
        with suppress(BlockingIOError):  # told often enough
            os.write(self._ask, b"\0")

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the process is told to end, at most so many seconds.

        Returns:
            True once it has been told, and ever after.
        """
        return bool(self._poller.poll(None if seconds is None else seconds * 1000))
