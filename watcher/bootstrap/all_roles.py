"""Both roles in one process: the api role's loop in a thread of its own beside the watch role's.

A thread and no second process: one port for probes and metrics, one signal, one exit code, and nobody has to look after
a child. They share one interpreter, so a burst of changes makes votes wait and the other way round; where that matters,
run the roles apart.
"""

import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Final

import structlog

from config import Settings
from watcher.bootstrap.api import ApiRole, refuse_without_auth
from watcher.bootstrap.votes import Votes
from watcher.bootstrap.watch import watch
from watcher.model.errors import StopError
from watcher.telemetry.health import Health
from watcher.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

FAREWELL: Final = 5.0
"""Seconds that the api role has on top of its own deadline."""


def everything(settings: Settings) -> None:
    """Run both roles until SIGTERM or SIGINT; when one ends, the other is ended.

    Raises:
        ConfigError: authentication is not configured.
        StopError: going on would lose or double something; the message names the next command.
    """
    refuse_without_auth(settings)
    watch(settings, partial(_Beside, settings))


class _Beside:
    """The api role in its thread.

    Args:
        settings: of the process.
        metrics: of the process.
        health: of the process.
        stop: ends the watch role.
        kept: drains and keeps, for the watch role too.
    """

    def __init__(
        self, settings: Settings, metrics: Metrics, health: Health, stop: Callable[[], None], kept: Votes
    ) -> None:
        self._role = ApiRole(settings, metrics, health, "api", kept)
        self._stop, self._deadline = stop, settings.run.shutdown_deadline + FAREWELL
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="api", daemon=True)

    def __enter__(self) -> Callable[[], None]:
        self._role.__enter__()
        self._thread.start()
        return self._role.stop

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, and tell why it ended before.

        Raises:
            StopError: it ended by itself.
        """
        self._role.stop()
        self._thread.join(self._deadline)
        self._role.__exit__(kind, error, trace)
        if self._error is not None:
            raise StopError(f"the vote API ended: {self._error}") from self._error

    def _run(self) -> None:
        try:
            self._role.run()
        except BaseException as error:  # carried to the thread that waits
            log.exception("api.failed")
            self._error = error
        finally:
            self._stop()
