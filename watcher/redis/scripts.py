"""The scripts that Redis runs, each in a file of its own."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Final

from watcher.model.rating import BASE_RATING, GAINS


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text, and the name by which Redis knows it once it was loaded."""

    text: str
    sha: str
    """For EVALSHA; Redis derives the same from the text."""

    @classmethod
    def of(cls, text: str) -> "Script":
        """The script of a text."""
        return cls(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


@cache
def script(name: str) -> Script:
    """The script in ``lua/<name>.lua``.

    Args:
        name: file name without its ending.
    """
    text = files("watcher.redis").joinpath(f"lua/{name}.lua").read_text()
    return Script.of(text.replace("@GAINS@", GAINS).replace("@BASE@", str(BASE_RATING)))


ROW_STATE: Final = script("row_state")
VOTE: Final = script("vote")
