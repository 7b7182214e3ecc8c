"""What the demo adds so that fees are collected and given back: the role that moves money, as a process of its own."""

from pathlib import Path

from demo.pipeline import SETTLE_ROLE, SHUTDOWN, Pipeline, await_ready
from demo.program import OwnProgram, ProgramError
from stack.ports import Ports
from stack.topology import Stack

SWEEP_SECONDS = 3.0
"""Between two looks at all entries; a minute in production, and a demo is hardly longer."""
RULES = {"CRUCIBLE_ENTRIES__CHARGE": "true", "CRUCIBLE_ENTRIES__SWEEP_INTERVAL": str(SWEEP_SECONDS)}
"""Settings of entries, of both roles that decide."""
LOOK_SECONDS = 1.0
"""Between two looks at ends that were moved, and at cancels."""
ITS_OWN = ("CRUCIBLE_REDIS__", "CRUCIBLE_CLICKHOUSE__")
"""What of the stack the role is told of, beside PostgreSQL and the books."""


class Settling:
    """The settle role of one demo.

    Args:
        stack: with the Buzz service's double.
        folder: for its log.
        ports: reserves its port; the caller closes it.
    """

    def __init__(self, stack: Stack, folder: Path, ports: Ports) -> None:
        self.buzz_url = stack.buzz.url
        self.program = OwnProgram("settle role", (), folder, {})
        self._stack, self._folder, self._port = stack, folder, ports.take()

    def start(self, pipeline: Pipeline) -> None:
        """Start it, and return once it is ready. The watcher's tables are there."""
        environ = {name: value for name, value in self._stack.environ().items() if name.startswith(ITS_OWN)}
        environ |= {
            **RULES,
            "CRUCIBLE_SETTLE__DSN": pipeline.role_dsn(SETTLE_ROLE),
            "CRUCIBLE_BUZZ__URL": self.buzz_url,
            "CRUCIBLE_SETTLEMENT__SWEEP_INTERVAL": str(LOOK_SECONDS),
            "CRUCIBLE_OPS__HOST": "127.0.0.1",
            "CRUCIBLE_OPS__PORT": str(self._port),
        }
        arguments = ("-m", "watcher", "run", "--role", "settle")
        self.program = OwnProgram("settle", arguments, self._folder, environ)
        self.program.start()
        await_ready(self.program, self._port)

    def stop(self) -> None:
        """End it.

        Raises:
            ProgramError: it did not end as it should.
        """
        code = self.program.stop(SHUTDOWN)
        if code:
            raise ProgramError(f"the settle role ended with exit code {code}. {self.program.last_words()}")
