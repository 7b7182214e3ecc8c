"""Java's properties files, https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/util/Properties.html."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write(path: Path, values: Mapping[str, object]) -> None:
    """Write a file: a backslash would begin an escape, and whatever is not ASCII needs one."""
    lines = (f"{key}={str(value).replace(chr(92), chr(92) * 2)}\n" for key, value in values.items())
    path.write_text("".join(map(_escaped, "".join(lines))), encoding="ascii")


def _escaped(character: str) -> str:
    r"""As Java reads it; beyond the first 65,536 in two halves.

    >>> [_escaped(one) for one in "aé😀"] == ["a", r"\u00e9", r"\ud83d\ude00"]
    True
    """
    if character.isascii():
        return character
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
