"""Makes a socket that listens: for judges, and for probes."""

import socket

from watcher.model.errors import StopError


def listen(host: str, port: int, settings: str, backlog: int) -> socket.socket:
    """Return a socket that takes connections.

    Args:
        host: address or name to listen on; ``::`` takes those to IPv4 addresses as well.
        port: 0 takes a free one.
        settings: those that say so, e.g. ``api.host, api.port``.
        backlog: connections that the kernel holds until they are taken.

    Raises:
        StopError: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((host, port), family=family, backlog=backlog, dualstack_ipv6=both)
    except (OSError, UnicodeError) as error:  # the latter of a name that no name server could know
        said = getattr(error, "strerror", None) or error
        raise StopError(f"{settings}: cannot listen on {host}:{port}: {said}; name others") from error
