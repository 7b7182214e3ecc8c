"""What the demo adds so that fees are collected and given back, and others are told of it.

The role that moves money is a process of its own, and so is the connector that carries events to other services.
"""

from pathlib import Path

import httpx

from demo import site
from demo.pipeline import SETTLE_ROLE, SHUTDOWN_SECONDS, Pipeline, await_ready
from demo.program import PROJECT, OwnProgram, ProgramError
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

EVENTS = PROJECT / "debezium" / "events.json"
HICCUPS = ("hollow", "close_after", "500_before", "garbage")
"""How the notification service fails, once each, after it has taken some notices."""


class Settling:
    """The settle role of one demo.

    Args:
        stack: with the doubles of the Buzz service and of the notification service.
        folder: for its log.
        ports: reserves its port; the caller closes it.
    """

    def __init__(self, stack: Stack, folder: Path, ports: Ports) -> None:
        self.buzz_url = stack.buzz.url
        self.program = OwnProgram("settle role", (), folder, {})
        self.exports: dict[str, str] = {}
        """Variables with which `crucible settle` speaks as the role does, once it has been started."""
        self._stack, self._folder, self._port = stack, folder, ports.take()

    def start(self, pipeline: Pipeline) -> None:
        """Start it, and return once it is ready. The watcher's tables are there."""
        with pipeline.connect() as connection:
            site.publish_events(connection)
        pipeline.crucible("connector", "apply", "--file", str(EVENTS))
        notifications = self._stack.notifications
        faults = [{"kind": kind, "path": "/notifications/bulk", "skip": 2} for kind in HICCUPS]
        httpx.post(f"{notifications.url}/_simulator/faults", json=faults, trust_env=False).raise_for_status()
        self.exports = {"CRUCIBLE_SETTLE__DSN": pipeline.role_dsn(SETTLE_ROLE), "CRUCIBLE_BUZZ__URL": self.buzz_url}
        environ = {name: value for name, value in self._stack.environ().items() if name.startswith(ITS_OWN)}
        environ |= {
            **RULES,
            **self.exports,
            "CRUCIBLE_NOTIFY__URL": notifications.url,
            "CRUCIBLE_NOTIFY__TOKEN": notifications.token,
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
        code = self.program.stop(SHUTDOWN_SECONDS)
        if code:
            raise ProgramError(f"the settle role ended with exit code {code}. {self.program.last_words()}")
