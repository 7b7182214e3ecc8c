"""A judge's outcomes after a rebuild: packed in blocks, until somebody reads them."""

from typing import Final

from watcher.redis.scripts import script

PACKED: Final = "packed"
"""The field of a judge's outcomes that says that some are packed."""
UNPACK: Final = script("unpack")


def unpack_command(name: str) -> list[str | int]:
    """Return the command that gives the pairs of one block their fields.

    Args:
        name: the key of a judge's outcomes.

    Returns:
        The command; as long as its answer is 1, there may be more blocks.
    """
    return ["EVAL", UNPACK.text, 1, name]
