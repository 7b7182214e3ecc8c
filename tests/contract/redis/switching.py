"""One name for two Redis: connections that are open stay where they are, new ones go where the name leads by then."""

import socket
import threading
from contextlib import suppress

PIECE_BYTES = 65_536


class Name:
    """An address of this machine that leads to one of several ports. Closed by the caller.

    Args:
        port: where it leads first.
    """

    def __init__(self, port: int) -> None:
        self.leads_to = port
        self.taken = 0
        """Connections that were made."""
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listening.getsockname()[1]}/0"
        threading.Thread(target=self._take, daemon=True).start()

    def close(self) -> None:
        """Close it with all that goes through it."""
        for one in (self._listening, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                client = self._listening.accept()[0]
                server = socket.create_connection(("127.0.0.1", self.leads_to))
                self.taken += 1
                self._open += [client, server]
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=_carry, args=ends, daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(PIECE_BYTES):
            target.sendall(piece)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
