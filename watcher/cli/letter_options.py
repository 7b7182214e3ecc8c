"""How dead letters are named on the command line."""

import re
from typing import TYPE_CHECKING, Annotated, Final

import typer

from watcher.model.errors import Reason

if TYPE_CHECKING:
    from watcher.kafka.dead_letter_topic import StoredDeadLetter

OfTable = Annotated[str | None, typer.Option("--table", help="Only of this source table; unknown: of none known.")]
OfReason = Annotated[str | None, typer.Option("--reason", help="Only with this reason, e.g. bad_row.")]
OfTopic = Annotated[str | None, typer.Option("--topic", help="Only records of this topic.")]
Since = Annotated[
    str | None, typer.Option("--since", help="Only from this time of their records on, e.g. 2026-01-31T12:00:00Z.")
]
_LETTER: Final = re.compile(r"(\d+|.+\[\d+\])@\d+")


def names_of(letter: "StoredDeadLetter") -> tuple[str, str]:
    """Return what a letter is called: its own place, and that of its record."""
    record = letter.record
    return f"{letter.partition}@{letter.offset}", f"{record.topic}[{record.partition}]@{record.offset}"


def with_letter_form(text: str, option: str) -> str:
    """Return the name of a letter as it was given.

    Raises:
        BadParameter: it is none.
    """
    if not _LETTER.fullmatch(text):
        raise typer.BadParameter(
            f"{text!r} is neither PARTITION@OFFSET like 0@17 nor TOPIC[PARTITION]@OFFSET; see `crucible dlq list`",
            param_hint=option,
        )
    return text


def reason_of(text: str | None) -> str | None:
    """Return a reason as it was given.

    Raises:
        BadParameter: there is no such reason.
    """
    allowed = [one.value for one in Reason]
    if text is not None and text not in allowed:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(allowed)}", param_hint="--reason")
    return text
