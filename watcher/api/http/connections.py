"""Which connections a process keeps when more come than it can hold.

Most connections wait for their clients: between two requests, for the rest of one, or for the client to take an answer.
They cost a client nothing to hold, so where all places are taken the one that has waited longest is given up for the
one that comes. Whoever is being answered is left alone.
"""

from ipaddress import IPv6Address
from typing import Final, Protocol

_NETWORK_BYTES: Final = 8
"""Bytes of an IPv6 address that name a client's network; it has all addresses in it."""


class CountedConnection(Protocol):
    """A connection as it is counted."""

    def give_up(self) -> None:
        """End the connection at once."""
        ...


class Connections:
    """The connections of a process.

    Args:
        most: at a time.
        most_per_address: of one address, or one network of IPv6; 0: no bound. A proxy has all its clients' connections.
    """

    def __init__(self, most: int, most_per_address: int = 0) -> None:
        self._most, self._most_per_address = most, most_per_address
        self._open = 0
        self.given_up = 0
        """Connections that made place for others."""
        self._of_address: dict[str, int] = {}
        self._waiting: dict[CountedConnection, None] = {}
        """Connections that wait for their clients, the one that has waited longest first."""

    def enter(self, connection: CountedConnection, address: str) -> bool:
        """Count a connection that waits for its client; return whether there is room for it.

        One for which there is none should be told so. It is ended here if its address has twice as many as it may.
        """
        self._open += 1
        has_room = True
        if self._open > self._most:
            has_room = self._give_up_another()
        if self._most_per_address:
            source = _source(address)
            count = self._of_address[source] = self._of_address.get(source, 0) + 1
            has_room = has_room and count <= self._most_per_address
            if count > 2 * self._most_per_address:
                connection.give_up()
                return False
        self._waiting[connection] = None
        return has_room

    def leave(self, connection: CountedConnection, address: str) -> None:
        """Stop counting a connection."""
        self._open -= 1
        self._waiting.pop(connection, None)
        if self._most_per_address:
            source = _source(address)
            count = self._of_address[source] = self._of_address[source] - 1
            if not count:
                del self._of_address[source]

    def waits(self, connection: CountedConnection) -> None:
        """Note that a connection waits for its client; from now on, if it did not before."""
        if connection not in self._waiting:
            self._waiting[connection] = None

    def works(self, connection: CountedConnection) -> None:
        """Note that a connection is being answered."""
        self._waiting.pop(connection, None)

    def _give_up_another(self) -> bool:
        """Give up the connection that has waited longest; return whether there was one."""
        longest = next(iter(self._waiting), None)
        if longest is None:
            return False
        del self._waiting[longest]
        self.given_up += 1
        longest.give_up()
        return True


def _source(address: str) -> str:
    """Return what connections are counted by.

    >>> _source("192.0.2.7"), _source("2001:db8::1") == _source("2001:db8:0:0:ffff::2"), _source("")
    ('192.0.2.7', True, '')
    """
    if ":" not in address:
        return address
    whole = IPv6Address(address.partition("%")[0])
    mapped = whole.ipv4_mapped
    return whole.packed[:_NETWORK_BYTES].hex() if mapped is None else str(mapped)
