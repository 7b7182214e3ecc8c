r"""A comment's markup as plain text.

The site stores comments as HTML. What leaves here is text, to be shown as text: tags are gone, with the content of
those that a browser does not show, and what stands in angle brackets afterwards was written as such (``&lt;b&gt;``).

Not the standard library's ``html.parser``: on ``"<a " * 7000`` it spends seconds, and on ``<![`` it fails, in some
versions of Python. Comments come from anybody, so each step here goes forward, or looks at a bounded piece.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

LONGEST: Final = 20_000
"""Characters of markup that are looked at; the rest is dropped. Bounds what one comment can cost."""

_BARE: Final = re.compile(r"(?:</?(?:p|br|div|ul|ol|li|hr) ?/?>[ \n]*)+", re.IGNORECASE)
"""Blocks without attributes, which most tags are, as many as follow each other: one step instead of one each."""
_SOMETHING: Final = re.compile(
    # What ends nothing that has a name is a comment to browsers, up to the next bracket.
    r"<(?:(?P<comment>!--)|(?P<other>[!?]|/(?![a-zA-Z]))|(?P<end>/?)(?P<name>[a-zA-Z][^\s/>]{0,40}))"
)
_TO_THE_END: Final = re.compile(r"""[^"'>]*(?:"[^"]*"[^"'>]*|'[^']*'[^"'>]*)*>""")
"""The rest of a tag. A bracket in quotes does not end it."""
_LONG_TAG: Final = 2_000
"""Characters within which a tag's quotes are looked at; in a longer one the next bracket ends it."""
_UNSEEN: Final = frozenset(
    {
        "script",
        "style",
        "template",
        "noscript",
        "iframe",
        "object",
        "svg",
        "math",
        "head",
        "title",
        "textarea",
        "select",
    }
)
_BLOCKS: Final = frozenset(
    {"address", "article", "aside", "blockquote", "br", "dd", "details", "div", "dl", "dt", "figure", "footer", "form",
     "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table",
     "tr", "ul"}
)  # fmt: skip
_CELLS: Final = frozenset({"td", "th"})
# Controls, and the marks that turn the direction of all text after them.
_UNWANTED: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]")


def plain_text(markup: str, most: int | None = None) -> str:
    r"""The text of some HTML: a line per block, no blank lines, no controls.

    Args:
        markup: as the site stores it.
        most: characters at most; longer text ends with an ellipsis.

    >>> plain_text("<p>So <b>good</b> &amp; bold</p><p>2 &lt; 3<script>alert(1)</script></p>")
    'So good & bold\n2 < 3'
    >>> plain_text("<p>More than fits</p>", most=9)
    'More tha…'
    """
    seen = _UNWANTED.sub("", "".join(_seen(markup[:LONGEST])))
    text = "\n".join(line for piece in seen.split("\n") if piece and (line := " ".join(piece.split())))
    if most is not None and len(text) > most:
        return text[: most - 1].rstrip() + "…"
    return text


def _seen(markup: str) -> Iterator[str]:
    """What a reader would see, in pieces."""
    at = 0
    while (found := _SOMETHING.search(markup, at)) is not None:
        if at < found.start():
            yield _words(markup[at : found.start()])
        bare = _BARE.match(markup, found.start())
        if bare is not None:
            yield "\n"
            at = bare.end()
            continue
        name = (found["name"] or "").lower()
        if name in _BLOCKS:
            yield "\n"
        elif name in _CELLS:
            yield " "
        at = _after(markup, found, name)
    yield _words(markup[at:])


def _words(piece: str) -> str:
    return " ".join(unescape(piece).split("\n"))


def _after(markup: str, found: re.Match[str], name: str) -> int:
    """Where the text goes on after a comment, a tag, or an element whose content is not seen."""
    if found["comment"]:
        return _past(markup, "-->", found.end())
    at = found.end()
    if markup.startswith(">", at):  # most tags are bare
        at += 1
    else:
        rest = _TO_THE_END.match(markup, at, at + _LONG_TAG)
        at = rest.end() if rest else _past(markup, ">", at)
    if name in _UNSEEN and not found["end"]:
        closing = re.compile(rf"</{name}(?![^\s/>])[^>]*>?", re.IGNORECASE).search(markup, at)
        return closing.end() if closing else len(markup)
    return at


def _past(markup: str, mark: str, at: int) -> int:
    """The place after a mark; the end where it is missing, as browsers have it."""
    found = markup.find(mark, at)
    return len(markup) if found < 0 else found + len(mark)
