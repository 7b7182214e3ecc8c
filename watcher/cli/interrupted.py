"""What a long command says to whoever presses Ctrl-C: what became of what was done, and how to go on."""

from collections.abc import Iterator
from contextlib import contextmanager

from watcher.cli.output import note


@contextmanager
def interruptible(advice: str) -> Iterator[None]:
    """Have Ctrl-C within a block say what to do next before it ends the command.

    Args:
        advice: what became of what was done, with the next command.
    """
    try:
        yield
    except KeyboardInterrupt:
        note(advice)
        raise
