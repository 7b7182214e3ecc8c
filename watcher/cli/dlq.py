"""``crucible dlq``: list and show the records that could not be used, and note that somebody has seen to them."""

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from watcher.cli.exits import FAILED
from watcher.cli.output import AsJson, note, print_columns, print_json
from watcher.model.errors import Reason
from watcher.telemetry.words import counted

if TYPE_CHECKING:
    from watcher.kafka.dead_letter_topic import StoredDeadLetter

app = typer.Typer(no_args_is_help=True)

MAX_SHOWN_BYTES: Final = 4_000
"""Bytes of a value that are shown to a person; --json has all."""
_LETTER: Final = re.compile(r"(\d+|.+\[\d+\])@\d+")


@app.command("list")
def list_dead_letters(
    table: Annotated[
        str | None, typer.Option(help="Only of this source table; unknown: of none that is known.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Only with this reason, e.g. bad_row.")] = None,
    topic: Annotated[str | None, typer.Option(help="Only records of this topic.")] = None,
    since: Annotated[str | None, typer.Option(help="Only from this time on, e.g. 2026-01-31T12:00:00Z.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many, the newest.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """List dead letters: where the record lies, and why it was refused. Their content is not shown.

    Examples:

      crucible dlq list

      crucible dlq list --table CrucibleEntry --reason bad_row --since 2026-01-31

      crucible dlq list --json | jq 'group_by(.reason) | map({(.[0].reason): length}) | add'
    """
    from watcher.admin.dead_letters import DeadLetterFilter, frequencies  # noqa: PLC0415

    wanted = DeadLetterFilter(table=table, reason=_reason(reason), topic=topic, since=_time(since))
    found = [letter for letter in _dead_letters() if wanted.takes(letter)]
    shown = found[-limit:]
    if as_json:
        print_json([_summary(letter) for letter in shown])
        return
    print_columns(
        ("letter", "record", "time", "table", "reason", "message"),
        [
            (
                f"{one.partition}@{one.offset}" + (f" (x{one.copies})" if one.copies > 1 else ""),
                f"{one.record.topic}[{one.record.partition}]@{one.record.offset}",
                one.time.isoformat(timespec="milliseconds"),
                one.record.table or "-",
                one.record.reason,
                one.record.message.splitlines()[0][:100] if one.record.message else "",
            )
            for one in shown
        ],
    )
    reasons = ", ".join(f"{count} {why}" for why, count in frequencies(found, lambda one: one.record.reason).items())
    note(counted(len(found), "dead letter") + (f": {reasons}" if reasons else "") + f"; {len(shown)} shown")


@app.command()
def show(
    letter: Annotated[
        str, typer.Argument(help="PARTITION@OFFSET of the letter, or TOPIC[PARTITION]@OFFSET of the record.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show one dead letter with its key, value and headers. The value is the site's data: mind where it goes.

    Examples:

      crucible dlq show 0@17

      crucible dlq show 'postgres.Crucible[1]@4711'

      crucible dlq show 0@17 --json | jq -r .value
    """
    if not _LETTER.fullmatch(letter):
        raise typer.BadParameter(
            f"{letter!r} is neither PARTITION@OFFSET like 0@17 nor TOPIC[PARTITION]@OFFSET; see `crucible dlq list`",
            param_hint="letter",
        )
    found = [one for one in _dead_letters() if letter in _names(one)]
    if not found:
        note(f"there is no dead letter {letter}; `crucible dlq list` shows which there are")
        raise typer.Exit(FAILED)
    if as_json:
        print_json([_whole(one) for one in found] if len(found) > 1 else _whole(found[0]))
        return
    for one in found:
        print_columns(("what", "is"), [(name, value) for name, value in _summary(one).items()])
        for name, value in one.headers:
            typer.echo(f"header {name}: {_text(value)}")
        typer.echo(f"key: {_text(one.key)}")
        value = one.value if one.value is None else one.value[:MAX_SHOWN_BYTES]
        typer.echo(f"value: {_text(value)}")
        if one.value is not None and len(one.value) > MAX_SHOWN_BYTES:
            note(f"{len(one.value) - MAX_SHOWN_BYTES} bytes more; --json shows all")


@app.command()
def seen(as_json: AsJson = False) -> None:
    """Note that you have seen to all dead letters that are there now; `crucible doctor` then warns of newer ones only.

    No letter is removed; `crucible dlq list` shows them as before.

    Examples:

      crucible dlq seen
    """
    import config  # noqa: PLC0415
    from watcher.admin.letters_seen import mark_seen  # noqa: PLC0415
    from watcher.bootstrap.kafka_client import kafka_client  # noqa: PLC0415
    from watcher.kafka.admin import KafkaAdmin  # noqa: PLC0415

    settings = config.load()
    admin = KafkaAdmin(kafka_client(settings.kafka))
    new = mark_seen(admin, settings.dead_letters.topic, settings.kafka.group)
    if as_json:
        print_json({"topic": settings.dead_letters.topic, "new": new})
    else:
        note(f"seen to {counted(new, 'letter')} of {settings.dead_letters.topic} that nobody had seen to")


def _dead_letters() -> "list[StoredDeadLetter]":
    import config  # noqa: PLC0415
    from watcher.admin.dead_letters import read_dead_letters  # noqa: PLC0415
    from watcher.bootstrap.kafka_client import kafka_client  # noqa: PLC0415

    settings = config.load()
    return read_dead_letters(kafka_client(settings.kafka), settings.dead_letters.topic)


def _names(letter: "StoredDeadLetter") -> tuple[str, str]:
    record = letter.record
    return f"{letter.partition}@{letter.offset}", f"{record.topic}[{record.partition}]@{record.offset}"


def _summary(letter: "StoredDeadLetter") -> dict[str, Any]:
    record = letter.record
    at, position = _names(letter)
    return {
        "letter": at,
        "record": position,
        "time": letter.time.isoformat(timespec="milliseconds"),
        "table": record.table,
        "reason": record.reason,
        "message": record.message,
        "group": record.group,
        "refusals": record.refusals,
        "copies": letter.copies,
        "truncated_bytes": record.truncated_bytes,
    }


def _whole(letter: "StoredDeadLetter") -> dict[str, Any]:
    headers = [{"name": name, "value": _text(value)} for name, value in letter.headers]
    return {**_summary(letter), "key": _text(letter.key), "value": _text(letter.value), "headers": headers}


def _text(value: bytes | None) -> str | None:
    """Return the text where it is text, else the bytes in hexadecimal after ``0x``."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"


def _reason(text: str | None) -> str | None:
    allowed = [one.value for one in Reason]
    if text is not None and text not in allowed:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(allowed)}", param_hint="--reason")
    return text


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time like 2026-01-31T12:00:00Z", param_hint="--since") from None
