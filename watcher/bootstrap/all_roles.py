"""All roles in one process: the api role's loop in a thread of its own beside the watch role's, and what settles.

A thread and no second process: one port for probes and metrics, one signal, one exit code, and nobody has to look after
a child. They share one interpreter, so a burst of changes makes votes wait and the other way round; where that matters,
run the roles apart.
"""

from functools import partial

import structlog

from config import Settings, require_role
from watcher.bootstrap.api import ApiRole
from watcher.bootstrap.settle import start_settling
from watcher.bootstrap.verification import Verification
from watcher.bootstrap.watch import watch
from watcher.model.errors import StopError
from watcher.runtime.shutdown import Shutdown
from watcher.runtime.worker import Signal, Task, Worker
from watcher.telemetry.health import Health
from watcher.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)


def everything(settings: Settings) -> None:
    """Run all roles until SIGTERM or SIGINT; when one ends, so do the others. Without settle.dsn nothing settles.

    Raises:
        ConfigError: something that a role needs is not set.
        StopError: going on would lose or double something; the message names the next command.
        UnfitError: PostgreSQL or ClickHouse is not as it has to be at the start.
    """
    require_role(settings)
    watch(settings, partial(_start_others, settings))


def _start_others(
    settings: Settings, metrics: Metrics, health: Health, shutdown: Shutdown, verification: Verification
) -> None:
    role = ApiRole(settings, metrics, health, shutdown, verification.verifier, alone=False)
    shutdown.run(Worker("api", _Serving(role, shutdown), shutdown.fail), until_finished=True)
    if settings.settle.dsn is not None:
        start_settling(settings, metrics, health, shutdown, alone=False)


class _Serving(Task):
    """The api role as one long turn, which ends when the process does."""

    def __init__(self, role: ApiRole, shutdown: Shutdown) -> None:
        self.signal = Signal()
        self._role, self._shutdown = role, shutdown

    def turn(self) -> None:
        """Serve.

        Raises:
            StopError: the role has failed.
        """
        try:
            self._role.run()
        except BaseException as error:
            log.exception("api.failed")
            raise StopError(f"the vote API ended: {error}") from error
        self._shutdown.begin()
