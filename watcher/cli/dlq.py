"""``crucible dlq``: list and show the records that could not be used, and note that somebody has seen to them."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from watcher.cli.dlq_purge import purge
from watcher.cli.dlq_replay import replay
from watcher.cli.exits import FAILED
from watcher.cli.letter_options import OfReason, OfTable, OfTopic, Since, names_of, reason_of, with_letter_form
from watcher.cli.output import AsJson, note, print_columns, print_json
from watcher.cli.times import time_of
from watcher.model.words import counted

if TYPE_CHECKING:
    from watcher.kafka.dead_letter_topic import StoredDeadLetter
    from watcher.postgres.own.dead_letters import Story

    Stories = dict[tuple[int, int], Story]

app = typer.Typer(no_args_is_help=True)

MAX_SHOWN_BYTES: Final = 4_000
"""Bytes of a value that are shown to a person; --json has all."""

app.command()(replay)
app.command()(purge)


@app.command("list")
def list_dead_letters(
    table: OfTable = None,
    reason: OfReason = None,
    topic: OfTopic = None,
    since: Since = None,
    left: Annotated[bool, typer.Option("--left", help="Only those that are not done.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many, the newest.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """List dead letters: where the record lies, why it was refused, and what became of it. Content is not shown.

    Examples:

      crucible dlq list

      crucible dlq list --table CrucibleEntry --reason bad_row --since 2026-01-31

      crucible dlq list --left

      crucible dlq list --json | jq 'group_by(.reason) | map({(.[0].reason): length}) | add'
    """
    from watcher.admin.dead_letters import DeadLetterFilter, frequencies  # noqa: PLC0415

    wanted = DeadLetterFilter(table=table, reason=reason_of(reason), topic=topic, since=time_of(since, "--since"))
    found = [letter for letter in _dead_letters() if wanted.takes(letter)]
    became = _stories(found)
    if left:
        found = [one for one in found if not _summary(one, became)["done"]]
    shown = found[-limit:]
    if as_json:
        print_json([_summary(letter, became) for letter in shown])
        return
    print_columns(
        ("letter", "record", "time", "table", "reason", "became", "message"),
        [
            (
                f"{one.partition}@{one.offset}" + (f" (x{one.copies})" if one.copies > 1 else ""),
                f"{one.record.topic}[{one.record.partition}]@{one.record.offset}",
                one.time.isoformat(timespec="milliseconds"),
                one.record.table or "-",
                one.record.reason,
                _told(became.get((one.partition, one.offset))),
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
    with_letter_form(letter, "letter")
    found = [one for one in _dead_letters() if letter in names_of(one)]
    if not found:
        note(f"there is no dead letter {letter}; `crucible dlq list` shows which there are")
        raise typer.Exit(FAILED)
    became = _stories(found)
    if as_json:
        print_json([_whole(one, became) for one in found] if len(found) > 1 else _whole(found[0], became))
        return
    for one in found:
        print_columns(("what", "is"), [(name, value) for name, value in _summary(one, became).items()])
        for name, value in one.headers:
            typer.echo(f"header {name}: {_text(value)}")
        typer.echo(f"key: {_text(one.key)}")
        value = one.value if one.value is None else one.value[:MAX_SHOWN_BYTES]
        typer.echo(f"value: {_text(value)}")
        if one.value is not None and len(one.value) > MAX_SHOWN_BYTES:
            note(f"{counted(len(one.value) - MAX_SHOWN_BYTES, 'byte')} more; --json shows all")


@app.command()
def seen(as_json: AsJson = False) -> None:
    """Note that you have seen to all dead letters that are there now; `crucible doctor` then warns of newer ones only.

    No letter is removed; `crucible dlq list` shows them as before.

    Examples:

      crucible dlq seen
    """
    import config  # noqa: PLC0415
    from watcher.admin.dead_letters_seen import mark_seen  # noqa: PLC0415
    from watcher.bootstrap.kafka_client import kafka_client  # noqa: PLC0415
    from watcher.kafka.admin import KafkaAdmin  # noqa: PLC0415

    settings = config.load()
    admin = KafkaAdmin(kafka_client(settings.kafka))
    new = mark_seen(admin, settings.dead_letters.topic, settings.kafka.group)
    if as_json:
        print_json({"topic": settings.dead_letters.topic, "new": new})
    else:
        note(f"seen to {counted(new, 'letter')} of {settings.dead_letters.topic} that were new")


def _dead_letters() -> "list[StoredDeadLetter]":
    import config  # noqa: PLC0415
    from watcher.admin.dead_letters import read_dead_letters  # noqa: PLC0415
    from watcher.bootstrap.kafka_client import kafka_client  # noqa: PLC0415

    settings = config.load()
    return read_dead_letters(kafka_client(settings.kafka), settings.dead_letters.topic)


def _stories(found: "list[StoredDeadLetter]") -> "Stories":
    """Return what became of letters; of none where PostgreSQL does not say: they can be looked at all the same."""
    import config  # noqa: PLC0415
    from watcher.bootstrap.dead_letters import opened_dead_letters  # noqa: PLC0415
    from watcher.model.errors import TemporaryError, WatcherError  # noqa: PLC0415

    if not found:
        return {}
    try:
        with opened_dead_letters(config.load()) as letters:
            return letters.stories(found)
    except (TemporaryError, WatcherError) as error:
        note(f"what became of them is not known: {error}")
        return {}


def _told(story: "Story | None") -> str:
    if story is None:
        return "-"
    return story.outcome if story.tries == 1 else f"{story.outcome} (x{story.tries})"


def _summary(letter: "StoredDeadLetter", became: "Stories") -> dict[str, Any]:
    record = letter.record
    at, position = names_of(letter)
    story = became.get((letter.partition, letter.offset))
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
        "became": None if story is None else story.outcome,
        "done": story is not None and story.done,
        "tries": 0 if story is None else story.tries,
        "last_tried": None if story is None else story.last_tried.isoformat(timespec="seconds"),
        "said": None if story is None else story.message,
    }


def _whole(letter: "StoredDeadLetter", became: "Stories") -> dict[str, Any]:
    headers = [{"name": name, "value": _text(value)} for name, value in letter.headers]
    return {**_summary(letter, became), "key": _text(letter.key), "value": _text(letter.value), "headers": headers}


def _text(value: bytes | None) -> str | None:
    """Return the text where it is text, else the bytes in hexadecimal after ``0x``."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"
