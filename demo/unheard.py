"""What no stream can tell: crucibles that are made while the publication passes over them, found and put right."""

import time
from typing import Final

from demo.pipeline import Pipeline, Told
from demo.places import Places
from demo.program import OwnProgram, ProgramError

CRUCIBLES: Final = 7
NARROWED: Final = (
    'ALTER PUBLICATION crucible DROP TABLE "Crucible"',
    """ALTER PUBLICATION crucible ADD TABLE "Crucible" WHERE (name !~~ 'Unheard of %')""",
)
"""In one transaction, so that nobody else's change is passed over."""
MADE: Final = """
INSERT INTO "Crucible" ("userId", name, "updatedAt")
SELECT id, 'Unheard of ' || id, now() FROM "User" ORDER BY id LIMIT %s
"""
WIDENED: Final = (NARROWED[0], 'ALTER PUBLICATION crucible ADD TABLE "Crucible"')
DIFFERS: Final = 1
"""Exit code of a comparison that has found what it has not put right: at a busy site, what was on its way."""
PATIENCE_SECONDS: Final = 60.0
"""Seconds for a comparison."""


class Unheard:
    """A publication that is wrong for a moment, and the command that finds what came of it, beside everything else.

    Args:
        pipeline: whose publication it is.
        places: where the crucibles are made.
        told: is told of it.
        after: seconds until it happens.
    """

    def __init__(self, pipeline: Pipeline, places: Places, told: Told, after: float) -> None:
        self._postgres, self._told, self._pipeline = places.postgres, told, pipeline
        self._due = time.monotonic() + after
        self._mending: OwnProgram | None = None
        self._over = False

    def __call__(self) -> bool:
        """Go on with it, without waiting; return whether it is over."""
        if self._mending is None and time.monotonic() >= self._due:
            self._make()
            self._mending = self._pipeline.command("reconcile", "--table", "Crucible", "--fix")
            self._mending.start()
        elif self._mending is not None and not self._over and not self._mending.is_alive():
            _see(self._mending, self._mending.wait(0.0), (0, DIFFERS))
            self._told("`crucible reconcile --fix` has put right what was counted of crucibles")
            self._over = True
        return self._over

    def compare(self) -> None:
        """Compare everything once more, now that all has arrived.

        Raises:
            ProgramError: it finds something.
        """
        comparing = self._pipeline.command("reconcile")
        comparing.start()
        _see(comparing, comparing.wait(PATIENCE_SECONDS), (0,))
        self._told("`crucible reconcile` finds nothing more")

    def close(self) -> None:
        """End the command, if it is still at it."""
        if self._mending is not None:
            self._mending.kill()

    def _make(self) -> None:
        self._publish(NARROWED)
        self._postgres.execute(MADE, (CRUCIBLES,))
        self._publish(WIDENED)
        self._told(f"{CRUCIBLES} crucibles were made while the publication passed over them: no stream tells of them")

    def _publish(self, statements: tuple[str, ...]) -> None:
        with self._postgres.transaction():
            for statement in statements:
                self._postgres.execute(statement)


def _see(program: OwnProgram, code: int, good: tuple[int, ...]) -> None:
    if code not in good:
        raise ProgramError(f"{program.name} ended with exit code {code}. {program.last_words()}")
