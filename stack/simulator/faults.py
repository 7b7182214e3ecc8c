"""What goes wrong on purpose: the ways in which real services are known to fail, armed over HTTP by a test."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HANG_SECONDS = 60.0
"""How long a request that is to time out is held; longer than any client waits."""
KINDS = {
    "hang_before": "the request is not carried out, and not answered",
    "hang_after": "it is carried out, and not answered",
    "close_before": "it is not carried out, and the connection is closed",
    "close_after": "it is carried out, and the connection is closed",
    "500_before": "it is not carried out, and answered 500",
    "500_after": "it is carried out, and answered 500",
    "503": "it is not carried out, and answered 503",
    "429": "it is not carried out, and answered 429",
    "hollow": "it is not carried out, and answered as if it were, by an answer that proves nothing",
    "garbage": "it is carried out, and answered with something that is not JSON",
}
"""Every way that any service has, and what happens; a service may have more of its own."""


@dataclass
class Fault:
    """One way to fail, for so many requests to a path that begins so."""

    kind: str
    path: str = "/"
    method: str = "POST"
    times: int = 1
    skip: int = 0
    """Requests that pass before."""


class Faults:
    """The faults that are armed; the first that fits a request is used up by it.

    Args:
        more: kinds that one service has besides.
    """

    def __init__(self, more: Iterable[str] = ()) -> None:
        self._kinds = (*KINDS, *more)
        self._lock = threading.Lock()
        self._armed: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        """Arm a fault.

        Raises:
            ValueError: there is no such kind.
        """
        if fault.kind not in self._kinds:
            raise ValueError(f"given {fault.kind!r}, expected one of {', '.join(self._kinds)}")
        with self._lock:
            self._armed.append(fault)

    def clear(self) -> None:
        """Disarm all faults: the next request is answered as it should be."""
        with self._lock:
            self._armed.clear()

    def take(self, method: str, path: str) -> str:
        """Return what is to go wrong with this request; empty if nothing."""
        with self._lock:
            for fault in self._armed:
                if fault.method == method and path.startswith(fault.path):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    if fault.times <= 0:
                        self._armed.remove(fault)
                    return fault.kind
        return ""
