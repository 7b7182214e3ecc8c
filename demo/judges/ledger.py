"""What the API answered, written down by those who asked: the audit holds the stores to it."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TextIO


class Cast(NamedTuple):
    """A vote that was answered 2xx."""

    crucible: int
    epoch: int
    seq: int
    winner: int
    loser: int
    user: int
    winner_elo: int | None
    """Rating after the vote, as answered; None of a vote whose points the judge was not told."""
    loser_elo: int | None


class ServedImage(NamedTuple):
    """An image that was served to somebody."""

    user: int
    crucible: int
    url: str


@dataclass(slots=True)
class JudgesAccount:
    """A ledger read back."""

    votes: Counter[Cast] = field(default_factory=Counter)
    """How often each vote was answered for the first time: once, if all is well."""
    shown: set[ServedImage] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    """Answers that break the API's word: a repeat that differs, both ways of one pair accepted."""


class JudgesLedger:
    """Appends to a file, a line a fact."""

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("a", encoding="utf-8", buffering=1)
        self._seen: set[ServedImage] = set()

    def voted(self, cast: Cast) -> None:
        """Note that a vote was answered 2xx, and was no repeat that we sent on purpose."""
        self._write("vote", cast)

    def shown(self, *images: ServedImage) -> None:
        """Note that images were served; once is enough."""
        for image in images:
            if image not in self._seen:
                self._seen.add(image)
                self._write("shown", image)

    def broken(self, what: str) -> None:
        """Note that the API broke its word."""
        self._write("broken", [what])

    def close(self) -> None:
        """Close the file; facts that come later are an error."""
        self._file.close()

    def _write(self, kind: str, fact: Iterable[object]) -> None:
        self._file.write(json.dumps([kind, *fact]) + "\n")


def read(path: Path) -> JudgesAccount:
    """Return all facts so far; a last line that is still being written is left out."""
    told = JudgesAccount()
    if not path.exists():
        return told
    text = path.read_text(encoding="utf-8")
    for line in text[: text.rfind("\n") + 1].splitlines():
        kind, *fact = json.loads(line)
        if kind == "vote":
            told.votes[Cast(*fact)] += 1
        elif kind == "shown":
            told.shown.add(ServedImage(*fact))
        else:
            told.broken += fact
    return told
