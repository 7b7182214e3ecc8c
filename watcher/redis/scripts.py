"""The scripts that Redis runs: each in a file of its own, with what it shares with others put before it.

``lua/prelude.lua`` has sections; a script names those that it uses in a line ``-- uses: rows standings``. Only they and
what they use themselves are put before it, because Redis runs all of a script's text at each call.
"""

import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Final

from watcher.model.open_pairs import FREE_SKIPS, PAIRS_PER_SKIP
from watcher.model.rating import BASE_RATING, GAINS
from watcher.model.row_state import PACKED_ENTRY
from watcher.model.visibility import ALL_LEVELS
from watcher.redis import keys

DATA: Final = {
    "BASE": str(BASE_RATING),
    "COMPANIONS": ", ".join(map(str.upper, keys.COMPANIONS)),
    "COMPANION_NAMES": ", ".join(f"'{name}'" for name in keys.COMPANIONS),
    "ENTRY_ROW": keys.ENTRY_ROW,
    "ENTRY_ROW_NUMBERS": keys.ENTRY_ROW.replace("%d", "(-?%d+)"),
    "GAINS": GAINS,
    "JUDGED": keys.JUDGED,
    "LEVELS": str(ALL_LEVELS),
    "MARK_CHARACTERS": str(keys.MARK_CHARACTERS),
    "MARK_HISTORY": keys.MARK_HISTORY,
    "MARK_POSITION": keys.MARK_POSITION,
    "PACKED_ENTRY": PACKED_ENTRY.format.replace("Q", "I8").replace("q", "i8"),
    "PACKED_ENTRY_BYTES": str(PACKED_ENTRY.size),
    "MAX_VOTES": str(keys.MAX_VOTES_AT_ONCE),
    "OPEN": keys.OPEN,
    "OPEN_SECONDS": str(keys.OPEN_SECONDS),
    "FREE_SKIPS": str(FREE_SKIPS),
    "PAIRS_PER_SKIP": str(PAIRS_PER_SKIP),
    "POOL": keys.POOL,
    "STANDING": keys.STANDING,
    "STANDING_ID_FROM": str(keys.STANDING_ID_FROM + 1),  # Lua counts from 1
}
"""What stands for a name between two ``@`` in a script's text."""

_SECTION: Final = re.compile(r"^-- section: (\w+)\n", re.MULTILINE)
_USES: Final = re.compile(r"^-- uses: (.+)$", re.MULTILINE)
_NAME: Final = re.compile(r"@(\w+)@")


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text, and the name by which Redis knows it once it was loaded."""

    text: str
    sha: str
    """For EVALSHA; Redis derives the same from the text."""

    @classmethod
    def of(cls, text: str) -> "Script":
        """Return the script of a text that is complete."""
        return cls(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


def complete(text: str) -> str:
    """Return a script's text with the sections of the prelude that it uses before it, and with data for names.

    Raises:
        KeyError: there is no section or no data of that name.
    """
    parts = [sections()[name] for name in _used(text)]
    return _NAME.sub(lambda found: DATA[found[1]], "\n".join([*parts, text]))


@cache
def sections() -> dict[str, str]:
    """Return the sections of the prelude by name; each comes after those that it uses."""
    _, *parts = _SECTION.split(_read("prelude"))
    return dict(zip(parts[::2], parts[1::2], strict=True))


@cache
def script(name: str) -> Script:
    """Return the script in ``lua/<name>.lua``, complete.

    Args:
        name: file name without its ending.
    """
    return Script.of(complete(_read(name)))


def _used(text: str) -> list[str]:
    """Return the names of the sections that a text needs, in the order in which they have to stand."""
    names = dict.fromkeys(one for line in _USES.findall(text) for one in line.split())
    return list(dict.fromkeys(one for name in names for one in (*_used(sections()[name]), name)))


def _read(name: str) -> str:
    return files("watcher.redis").joinpath(f"lua/{name}.lua").read_text()


ROW_STATE: Final = script("row_state")
VOTE: Final = script("vote")
