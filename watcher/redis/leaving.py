"""The synchronous client's connections: made anew once the process at the other end is no primary any more.

Behind one name, a service's or a balancer's, another process becomes the primary while the old one stays up and keeps
its connections: on those every write is refused for as long as they are kept.
"""

from typing import Any, Final

from redis.connection import AbstractConnection
from redis.exceptions import RedisError

from watcher.runtime.connection_faults import connection_fault

_GONE: Final = ("READONLY", "MASTERDOWN", "LOADING")
"""Beginnings of errors that say that this is not the primary."""
_IN_A_SCRIPT: Final = "-READONLY"
"""How the first is quoted where a script met it, before Redis 7."""


def says_it_is_no_primary(error: str) -> bool:
    """Return whether an error says that the process that answers is not the primary, or not yet.

    >>> says_it_is_no_primary("READONLY You can't write against a read only replica.")
    True
    >>> says_it_is_no_primary("ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write")
    True
    >>> says_it_is_no_primary("OOM command not allowed when used memory > 'maxmemory'.")
    False
    """
    return error.startswith(_GONE) or _IN_A_SCRIPT in error


class _Leaving(AbstractConnection):
    """A connection that asks to be closed after such an answer, once it is given back; and says why it was not made."""

    def _error_message(self, exception: BaseException) -> str:
        host, port = getattr(self, "host", None), getattr(self, "port", None)
        said = None if host is None or port is None else connection_fault(exception, str(host), int(port))
        return said or str(super()._error_message(exception))  # type: ignore[no-untyped-call]

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)
        except RedisError as error:
            # The client has taken the first word off, and made a kind of error of it.
            if type(error).__name__ in _KINDS or says_it_is_no_primary(str(error)):
                self.mark_for_reconnect()  # type: ignore[no-untyped-call]
            raise


_KINDS: Final = frozenset({"ReadOnlyError", "MasterDownError", "BusyLoadingError"})


def leaving(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """Return a kind of connection that leaves whoever is no primary any more."""
    return type(f"Leaving{kind.__name__}", (_Leaving, kind), {})
