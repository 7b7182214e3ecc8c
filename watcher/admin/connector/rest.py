"""Kafka Connect's REST API, as far as one connector needs it."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from watcher.admin.connector.answers import ConnectorStatus, Offsets, Plugin, Validation
from watcher.admin.connector.secrets import without_secrets
from watcher.model.errors import TemporaryError, WatcherError
from watcher.runtime.http_client import NO_JSON, BadAddressError, HttpClient, HttpResponse, Transport

PAUSE_SECONDS: Final = 0.25
"""Seconds between two looks. A worker answers in milliseconds; a rebalance takes a second or two."""
_BUSY: Final = frozenset({409, 503})
"""409: the workers are rebalancing. 503: the worker is starting or has lost its broker."""
_NO_PLUGIN: Final = "Failed to find any class that implements Connector"

T = TypeVar("T")


def _of(name: str, what: str = "") -> str:
    """Return the path of a connector, or of something of it, whatever its name is made of.

    >>> _of("a b/../c?d", "/status")
    '/connectors/a%20b%2F..%2Fc%3Fd/status'
    """
    return f"/connectors/{quote(name, safe='')}{what}"


class ConnectRefusedError(WatcherError):
    """Raised when Kafka Connect understood a request and says no; asking again will not help."""


class _Fault(msgspec.Struct, frozen=True):
    message: str


class Connect:
    """One worker's REST interface; any worker of a cluster will do, it forwards.

    Args:
        url: its address, e.g. ``http://127.0.0.1:8083``.
        timeout: seconds to wait for an answer, and for a busy worker to become free.
        transport: the wire, for tests.
        pause: waits so many seconds, for tests.
    """

    def __init__(
        self,
        url: str,
        timeout: float,
        *,
        transport: Transport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = HttpClient("Kafka Connect", "connect.url", url, timeout, transport=transport)
        self._timeout = timeout
        self._pause = pause

    @property
    def where(self) -> str:
        """Return what messages call the worker, and where it is."""
        return self._http.where

    def config(self, name: str) -> Mapping[str, str] | None:
        """Return the configuration that a connector runs with, references unresolved; None if there is no connector."""
        answer = self._ask("GET", _of(name, "/config"))
        if answer.status == 404:
            return None
        given = self._decoded(answer, dict[str, str | None])  # one that was made with a null keeps it
        return {key: value for key, value in given.items() if value is not None}

    def status(self, name: str) -> ConnectorStatus | None:
        """Return the status of a connector; None if there is none of that name, or it is too young to have one."""
        answer = self._ask("GET", _of(name, "/status"))
        return None if answer.status == 404 else self._decoded(answer, ConnectorStatus)

    def position(self, name: str) -> int | None:
        """Return the log position that a connector has stored; None if it has none, or the worker does not tell."""
        answer = self._ask("GET", _of(name, "/offsets"))
        if answer.status in {404, 405}:  # workers tell since Kafka 3.5
            return None
        stored = self._decoded(answer, Offsets).offsets
        return max((one.offset.lsn for one in stored if one.offset and one.offset.lsn is not None), default=None)

    def version(self, plugin: str) -> str | None:
        """Return the version of a plugin, as the worker tells it; None if it has none of that class."""
        plugins = self._decoded(self._ask("GET", "/connector-plugins"), list[Plugin])
        return next((one.version for one in plugins if one.plugin == plugin), None)

    def validate(self, name: str, config: Mapping[str, str]) -> Validation:
        """Return what the plugin thinks of a configuration. It tries to connect to the database for that.

        Raises:
            ConnectRefusedError: the worker has no such plugin.
            TemporaryError: the worker is away or busy.
        """
        plugin = config["connector.class"]
        answer = self._ask("PUT", f"/connector-plugins/{plugin}/config/validate", {**config, "name": name})
        # Kafka Connect 4 answers 500 where 404 would be meant.
        if answer.status == 404 or (answer.status == 500 and _NO_PLUGIN in _message(answer)):
            raise ConnectRefusedError(
                f"{self._http.where} has no plugin {plugin}; put its jars into a folder of the worker's plugin.path"
            )
        return self._decoded(answer, Validation, config)

    def put(self, name: str, config: Mapping[str, str]) -> None:
        """Create a connector or change its configuration; nothing is lost or deleted on the way.

        Raises:
            ConnectRefusedError: the configuration is refused.
            TemporaryError: the worker is away or busy.
        """
        self._checked(self._ask("PUT", _of(name, "/config"), dict(config)), config)

    def stop(self, name: str) -> bool:
        """Stop a connector's tasks, keeping it; needed before its offsets can be removed. False: there is none."""
        return self._done(self._ask("PUT", _of(name, "/stop")))

    def resume(self, name: str) -> bool:
        """Let a connector that was paused or stopped run again. False: there is none."""
        return self._done(self._ask("PUT", _of(name, "/resume")))

    def pause(self, name: str) -> bool:
        """Let a connector's tasks rest where they are, keeping what they hold. False: there is none."""
        return self._done(self._ask("PUT", _of(name, "/pause")))

    def restart(self, name: str, *, only_failed: bool = True) -> bool:
        """Start the connector and its tasks once more: those that have failed, or all. False: there is no connector."""
        failed = str(only_failed).lower()
        return self._done(self._ask("POST", _of(name, f"/restart?includeTasks=true&onlyFailed={failed}")))

    def names(self) -> list[str]:
        """Return the names of all connectors that there are."""
        return sorted(self._decoded(self._ask("GET", "/connectors"), list[str]))

    def remove_offsets(self, name: str) -> bool:
        """Forget how far a stopped connector has read, so that it will start anew. False: there is none."""
        deadline = time.monotonic() + self._timeout
        while True:  # a stopped connector's last task may still be on its way out, which is answered with 400
            answer = self._ask("DELETE", _of(name, "/offsets"))
            if answer.status != 400 or time.monotonic() > deadline:
                return self._done(answer)
            self._pause(PAUSE_SECONDS)

    def delete(self, name: str) -> bool:
        """Remove a connector. False: there was none. Its offsets and its replication slot stay."""
        return self._done(self._ask("DELETE", _of(name)))

    def _ask(self, method: str, path: str, body: Any = None) -> HttpResponse:
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                answer = self._http.request_blocking(method, path, body=body)
            except BadAddressError as error:
                raise ConnectRefusedError(str(error)) from error
            if answer.status == 404 and answer.is_page:  # else a wrong address would be a connector that is not there
                raise ConnectRefusedError(
                    f"{self._http.where} answered 404 with a page that is not Kafka Connect's; expected the base "
                    "address of its REST API, e.g. http://connect:8083"
                )
            if answer.status not in _BUSY:
                return answer
            if time.monotonic() > deadline:
                raise TemporaryError(f"{self._http.where} is still busy after {self._timeout:g} s: {_message(answer)}")
            self._pause(PAUSE_SECONDS)

    def _done(self, answer: HttpResponse) -> bool:
        if answer.status == 404:
            return False
        self._checked(answer)
        return True

    def _checked(self, answer: HttpResponse, config: Mapping[str, str] | None = None) -> None:
        if answer.is_success:
            return
        said = without_secrets(_message(answer), [config or {}])
        text = f"{self._http.where} answered {answer.status}: {said}"
        raise TemporaryError(text) if answer.status >= 500 else ConnectRefusedError(text)

    def _decoded(self, answer: HttpResponse, kind: type[T], config: Mapping[str, str] | None = None) -> T:
        self._checked(answer, config)
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except NO_JSON as error:
            raise ConnectRefusedError(f"{self._http.where} does not answer as Kafka Connect does: {error}") from error


def _message(answer: HttpResponse) -> str:
    try:
        return msgspec.json.decode(answer.body, type=_Fault).message
    except NO_JSON:
        return answer.text[:500].strip() or answer.reason
