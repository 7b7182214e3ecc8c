"""The lock of a crucible's verifier in Redis, which lasts while the verifier goes on from step to step."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import structlog

from watcher.model.errors import TemporaryError
from watcher.redis import keys
from watcher.redis.client import Client, run_script
from watcher.redis.scripts import Script, script
from watcher.runtime.deadline import Deadline
from watcher.runtime.worker import Signal, Task, Worker

log = structlog.get_logger(__name__)

RENEW: Final = script("verifier_renew")
RELEASE: Final = script("delete_if_same")

LOCK_MS: Final = 60_000
"""Milliseconds that a lock lasts after each step of its verifier. Longer: a crucible whose verifier died stays closed
for longer; shorter: a slow question to ClickHouse costs the verifier its lock."""
RENEW_SECONDS: Final = LOCK_MS / 4000
"""Time between two renewals while somebody else is waited for. Longer: the lock is lost when Redis is away for less."""


class CrucibleLockLostError(TemporaryError):
    """Raised when a crucible's lock expired between two steps of its verifier, or is another verifier's by now."""

    def __init__(self, crucible_id: int) -> None:
        super().__init__(
            f"crucible {crucible_id}: a step of its verifier took longer than the {LOCK_MS // 1000} s that its lock "
            "lasts; whoever locks it next does everything anew, and nothing has to be done"
        )


class CrucibleLock:
    """A lock that is held.

    Args:
        client: Redis.
        crucible_id: the crucible.
        token: what its lock holds.
    """

    def __init__(self, client: Client, crucible_id: int, token: str) -> None:
        self.client, self.crucible_id, self.token = client, crucible_id, token
        self._lock = keys.verifier_lock(crucible_id)

    def renew(self) -> None:
        """Make the lock last longer.

        Raises:
            CrucibleLockLostError: it is not held any more.
            TemporaryError: Redis is away.
        """
        if not self._run(RENEW, [self._lock]):
            raise CrucibleLockLostError(self.crucible_id)

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Make the lock last for as long as the block does, which waits for somebody else."""
        renewal = Worker("verifier-renews", _Renewal(self), _log_failure)
        renewal.start()
        try:
            yield
        finally:
            renewal.close(Deadline.never())

    def release(self) -> None:
        """Give the lock back, if it still has this token."""
        run_script(self.client, RELEASE, [self._lock], self.token)

    def _run(self, what: Script, names: Sequence[str], *arguments: Any) -> Any:
        return run_script(self.client, what, names, self.token, LOCK_MS, *arguments)


def _log_failure(error: BaseException) -> None:
    log.error("verifier.not_renewed", error=f"{type(error).__name__}: {error}")


class _Renewal(Task):
    """Makes a crucible's lock last."""

    def __init__(self, lock: CrucibleLock) -> None:
        self.signal, self._lock = Signal(), lock

    def turn(self) -> float:
        """Renew the lock, and return the seconds until it is to be renewed again."""
        with suppress(TemporaryError):  # whoever has lost it is told so by the next step
            self._lock.renew()
        return RENEW_SECONDS
