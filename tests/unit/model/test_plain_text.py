"""A comment's markup as plain text."""

import re
import time
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.model.counting import Counting
from watcher.model import plain_text as plain_text_module
from watcher.model.plain_text import plain_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("<p>one</p><p>two</p>", "one\ntwo"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<ul><li>a<li>b</ul>", "a\nb"),
        ("<p>a\n b&nbsp;c</p>", "a b c"),
        ('<a href="javascript:alert(1)" onclick=x>link</a>', "link"),
        ("<img src=x onerror=alert(1)>after", "after"),
        ("<img alt='a>b'>after", "after"),
        ("a<script>alert(1)</script>b", "ab"),
        ("a<SCRIPT src=x>alert(1)</ScRiPt >b", "ab"),
        ("a<script>alert(1)", "a"),
        ("<style>p{}</style>b", "b"),
        ("<svg><script>x</script>y</svg>z", "z"),
        ("a<!-- b -->c", "ac"),
        ("a<!-- b", "a"),
        ("a<![CDATA[b]]>c", "ac"),
        ("x < y and y > z", "x < y and y > z"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;", "<script>alert(1)</script>"),
        ("a<p", "a"),
        ("safe\u202eefas&#x202e;", "safeefas"),
        ("nul\x00 and bell&#7;", "nul and bell"),
    ],
)
def test_markup_becomes_what_a_reader_would_see(markup: str, text: str) -> None:
    """No tag, no hidden content, nothing that turns the text around."""
    assert plain_text(markup) == text


@given(st.text(alphabet="abc <>&;'\"/=!-\n", max_size=60))
def test_text_that_is_escaped_comes_back(text: str) -> None:
    """Whatever people write about angle brackets is theirs to keep; only white space is put in order."""
    assert plain_text(escape(text)).split() == text.split()


WORDS = st.text(alphabet=">/!-ab '\"scriptsvg", min_size=1, max_size=8)
OPENED = st.sampled_from(["<a", "</", "</b", "<!", "<!--", "<?", "<script", "</script", "<svg", "<p>", "</p>"])


@given(st.lists(WORDS | OPENED, max_size=20).map("".join))
def test_no_tag_survives(markup: str) -> None:
    """Where each bracket opens something, none is left; one that opens nothing is text, whatever comes after it."""
    assert "<" not in plain_text(markup)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ('<a "">b', "b"),
        ("a<img alt='b>c", "a"),
        ('<a b=c"d>e</a>', "e"),
        ("<a b = 'c>d' e>f", "f"),
        ("<a href=http://x/>y</a>", "y"),
        ("a<!-->b", "ab"),
        ("a<!--b--!>c", "ac"),
        ("a</>b</ c>d", "abd"),
        ("<tdx>a</tdx><scripty>b", "ab"),
        ("&am<b></b>p; &l<i>t</i>;", "&amp; &lt;"),
        ("&#" + "9" * 5_000 + ";a", "\ufffda"),
        ("&#x" + "9" * 5_000 + ";a", "\ufffda"),
    ],
)
def test_markup_is_read_as_browsers_read_it(markup: str, text: str) -> None:
    """A quote counts in an attribute's value alone; a tag that does not end is not shown; text stays text."""
    assert plain_text(markup) == text


BRACKETS = ["<", "</", "<!", "<!--", "<![", "<?"]
TAGS = ["<a ", "<a x='", '<a "', '"<a ">', "<b>", "<b>x", "<a =", "<a b = ", "<a/", "a<b", "<td>", "<p>x", "<ul><li>"]
UNSEEN = ["<script>", "<svg></svgx", "<svg></svg x", "<script></scripx", "<template>"]
COUNTED_CHARACTERS = 800
MAX_LOOKS = 40
"""Characters that are looked at for each one there is: names of elements are tried one after the other."""
HOSTILE = [*BRACKETS, *TAGS, *UNSEEN, "&#", "&" + "a" * 32, "&#9", "9", "<p><b a>"]


def looks(markup: str) -> int:
    """Characters that are looked at in one comment; some of them several times."""
    counting = Counting(plain_text_module._MARKUP)
    assert counting.spans(markup) == [found.span() for found in plain_text_module._MARKUP.finditer(markup)]
    return counting.looks


@pytest.mark.parametrize(
    "before", ["", '<a "">', "<script>", "<a '", "&#"], ids=["alone", "tag", "script", "quote", "&#"]
)
@pytest.mark.parametrize("piece", HOSTILE)
def test_work_grows_with_length_and_not_faster(before: str, piece: str) -> None:
    """Four times as long is four times the work; were the rest looked at again for each, it would be sixteen."""
    long = before + piece * (COUNTED_CHARACTERS // len(piece))
    short = before + piece * (COUNTED_CHARACTERS // 4 // len(piece))

    assert looks(long) <= 5 * looks(short)
    assert looks(long) <= MAX_LOOKS * len(long)


def test_what_grows_faster_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test above: an expression that looks for the end of each tag again, as ours once did."""
    again = re.compile("<a (?:[^>]*>)?", re.ASCII)
    monkeypatch.setattr(plain_text_module, "_MARKUP", again)

    with pytest.raises(AssertionError):
        test_work_grows_with_length_and_not_faster("", "<a ")


@pytest.mark.parametrize("markup", ["&#" * 10_000, "&" + "a" * 20_000, "&#9" * 6_000, "\ufdd0" * 20_000, " " * 20_000])
def test_what_is_left_of_a_comment_costs_little(markup: str) -> None:
    """References, marks and space are read by expressions and functions of one pass, too."""
    began = time.process_time()
    plain_text(markup)

    assert time.process_time() - began < 0.25  # a quadratic one takes seconds


@pytest.mark.parametrize("piece", ["<p>", "</p>", "<br/>", "<P>\n"])
def test_many_empty_blocks_cost_little(piece: str) -> None:
    """A page has a hundred comments, and each may be nothing but blocks."""
    markup = piece * (4_096 // len(piece))
    began = time.process_time()
    for _ in range(100):
        assert plain_text(markup) == ""

    assert time.process_time() - began < 0.2


def test_long_text_is_cut() -> None:
    """At the length asked for, the ellipsis included; shorter text is left alone."""
    assert plain_text("<p>twelve chars</p>", most=12) == "twelve chars"
    assert plain_text("<p>twelve chars</p>", most=8) == "twelve…"
