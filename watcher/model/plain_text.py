r"""A comment's markup as plain text.

The site stores comments as HTML. What leaves here is text, to be shown as text: tags are gone, with the content of
those that a browser does not show, and what stands in angle brackets afterwards was written as such (``&lt;b&gt;``).

Comments come from anybody, so one must not cost more than its length allows. One expression goes over the markup once:
whatever it begins to read it reads to an end, at the latest that of the comment, and nothing is looked at twice. No
parser does this for us: the standard library's spends seconds on ``"<a " * 7000``, and those that build a tree, as
browsers do, build millions of elements of a few thousand characters (ADR 23).
"""

import re
from html import unescape
from typing import Final

MAX_MARKUP_CHARACTERS: Final = 20_000
"""Characters of markup that are looked at; the rest is dropped. Bounds what one comment can cost."""

_UNSEEN: Final = "head|iframe|math|noscript|object|script|select|style|svg|template|textarea|title"
"""Elements whose content a browser does not show as text."""
_BLOCKS: Final = (
    "address|article|aside|blockquote|br|dd|details|div|dl|dt|figure|footer|form|h[1-6]|header|hr|li|main|nav|ol|p|pre|"
    "section|table|tr|ul"
)
"""Elements that begin a line of their own."""
_ENDED: Final = r"(?![^\s/>])"
"""The name before it is whole."""
_REST: Final = r"""
    (?: [\s/]++
      | [^\s/>][^\s/>=]*+                                                           # the name of an attribute,
        (?: \s*+ = \s*+ (?: "[^"]*+(?:"|\Z) | '[^']*+(?:'|\Z) | [^\s>"'][^\s>]*+ )?+ )?+  # and what it is
    )*+ (?:>|\Z)
"""
"""The rest of a tag, by the rules that browsers have: a bracket does not end it where it stands in an attribute's
quotes, and a quote means nothing anywhere else."""
_MARKUP: Final = re.compile(
    rf"""
    < (?=[a-z/!?])
    (?: !-- (?: -?> | .*? (?:--!?>|\Z) )
      | (?P<unseen>{_UNSEEN}){_ENDED} {_REST} .*? (?: </(?P=unseen){_ENDED} [^>]*+ >?+ | \Z )
      | (?P<block> /?(?:{_BLOCKS}){_ENDED} {_REST} (?: </?(?:{_BLOCKS}){_ENDED} {_REST} )*+ )
      | (?P<cell> /?t[dh]{_ENDED} {_REST} )
      | /?[a-z][^\s/>]*+ {_REST}
      | [!?/] [^>]*+ (?:>|\Z)  # what ends nothing that has a name is a comment
    )
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL | re.ASCII,
)
_LINE: Final = "\ufdd0"
"""Stands for the beginning of a line: a newline in HTML is but a space. No text has this character."""
_SEAM: Final = "\ufdd1"
"""Stands for markup between two pieces of text, which may not become one character reference."""
# Controls, and the marks that turn the direction of all text after them.
_UNWANTED: Final = re.compile(
    f"[{_SEAM}\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]"
)
_ENDLESS_NUMBER: Final = re.compile(r"&#[0-9]{20,}+;?+")
"""A character reference that names no character, and that Python does not read when it has thousands of digits."""


def plain_text(markup: str, most: int | None = None) -> str:
    r"""Return the text of some HTML: a line per block, no blank lines, no controls.

    Args:
        markup: as the site stores it.
        most: characters at most; longer text ends with an ellipsis.

    >>> plain_text("<p>So <b>good</b> &amp; bold</p><p>2 &lt; 3<script>alert(1)</script></p>")
    'So good & bold\n2 < 3'
    >>> plain_text("<p>More than fits</p>", most=9)
    'More tha…'
    """
    marked = _MARKUP.sub(_separator, markup[:MAX_MARKUP_CHARACTERS])
    seen = _UNWANTED.sub("", unescape(_ENDLESS_NUMBER.sub("\ufffd", marked)))
    text = "\n".join(line for piece in seen.split(_LINE) if piece and (line := " ".join(piece.split())))
    if most is not None and len(text) > most:
        return text[: most - 1].rstrip() + "…"
    return text


def _separator(found: re.Match[str]) -> str:
    """Return what stands between the texts before and after some markup."""
    match found.lastgroup:
        case "block":
            return _LINE
        case "cell":
            return " "
        case _:
            return _SEAM
