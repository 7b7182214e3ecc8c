"""``crucible dlq replay``: dead letters whose cause is mended are taken again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from watcher.cli.exits import FAILED
from watcher.cli.interrupted import interruptible
from watcher.cli.letter_options import OfReason, OfTable, OfTopic, Since, names_of, reason_of, with_letter_form
from watcher.cli.output import AsJson, DryRun, note, print_columns, print_json
from watcher.cli.times import time_of
from watcher.model.words import counted

if TYPE_CHECKING:
    from watcher.dead_letters.needs import TableStanding
    from watcher.dead_letters.taking import Account
    from watcher.kafka.dead_letter_topic import StoredDeadLetter
    from watcher.postgres.own.dead_letters import Tried

SAFE: Final = "letters that were taken are done, the others are as they were: run the same command again"
"""What Ctrl-C comes to."""
TITLES: Final = ("letter", "record", "table", "reason", "becomes", "word")


def replay(
    reason: OfReason = None,
    table: OfTable = None,
    topic: OfTopic = None,
    since: Since = None,
    letter: Annotated[
        str | None, typer.Option(help="Only this one: PARTITION@OFFSET, or TOPIC[PARTITION]@OFFSET of its record.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All letters, where nothing else says which.")] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Have the rows of letters that cannot be used compared, and put right.")
    ] = False,
    dry_run: DryRun = False,
    limit: Annotated[int, typer.Option(help="Show at most so many letters.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """Take dead letters again, once what they were refused for is mended.

    Each goes through the watcher's own decoder and handlers, here and now; the watcher may run meanwhile. A change that
    was counted before counts nothing, nor does one that a repair has seen to; a row that is newer in Redis stays. A
    letter that is refused again stays the letter that it is, with one more try in its story. Letters that are done are
    marked, and warn no more; where all of a table's are, so does the need to compare it because of them.

    Some letters can never be used: the row before was not in the log, a column had another name. With --compare the
    rows that they are about are compared with what was counted of them, and put right as `crucible reconcile --fix`
    does it, once the stream is past; so are their crucibles in Redis.

    Killed in between, or run twice at once, it counts nothing twice: run it again.

    Exit codes: 0 all of these letters are done, 1 some are not, 75 a neighbour is away.

    Examples:

      crucible dlq replay --reason bad_row --table CrucibleEntry --dry-run

      crucible dlq replay --reason unknown_schema --since 2026-01-31T12:00:00Z

      crucible dlq replay --reason incomplete_row --compare

      crucible dlq replay --letter 0@17

      crucible dlq replay --all --json | jq .outcomes
    """
    import config  # noqa: PLC0415
    from watcher.admin.dead_letters import DeadLetterFilter  # noqa: PLC0415
    from watcher.bootstrap.dead_letters import opened_dead_letters  # noqa: PLC0415

    if everything == any(one is not None for one in (reason, table, topic, since, letter)):
        raise typer.BadParameter(
            "name the letters by --reason, --table, --topic, --since or --letter, or take --all; `crucible dlq list` "
            "shows which there are",
            param_hint="--all",
        )
    wanted = DeadLetterFilter(
        table=table,
        reason=reason_of(reason),
        topic=topic,
        since=time_of(since, "--since"),
        letter=None if letter is None else with_letter_form(letter, "--letter"),
    )
    taken: list[tuple[StoredDeadLetter, Tried]] = []
    with _whole_or_again(), interruptible(SAFE), opened_dead_letters(config.load(), note) as letters:
        if not letters.partitions:
            _none(letters.topic, as_json=as_json)
            return
        before = letters.needs()
        found, account = letters.take(wanted, dry_run=dry_run, compare=compare)
        for one, tried in found:
            # Their content is not shown: a topic of any size can be taken.
            if as_json or len(taken) < limit:
                taken.append((one, tried))
        tables = [] if dry_run else letters.settle(before, account)
    if as_json:
        print_json(_answer(letters.topic, taken, account, tables, dry_run=dry_run))
    else:
        _tell(taken, account, tables, dry_run=dry_run)
    if any(not outcome.done for outcome in account.outcomes) or (letter and not (taken or account.done_before)):
        raise typer.Exit(FAILED)


@contextmanager
def _whole_or_again() -> Iterator[None]:
    """Add to the error of a neighbour that is away what has become of the letters, and what to do once it is back."""
    from watcher.model.errors import TemporaryError, UnfitError  # noqa: PLC0415

    try:
        yield
    except UnfitError:
        raise  # its words say what to mend first
    except TemporaryError as error:
        raise TemporaryError(
            f"{error}\nLetters that were taken are done, the others are as they were: see `crucible doctor`, then run "
            "the same command again"
        ) from error


def _none(topic: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"topic": topic, "letters": [], "outcomes": {}, "left": {}, "tables": []})
    else:
        note(f"{topic} does not exist yet: there are no letters")


def _answer(
    topic: str,
    taken: "list[tuple[StoredDeadLetter, Tried]]",
    account: "Account",
    tables: "list[TableStanding]",
    *,
    dry_run: bool,
) -> dict[str, Any]:
    return {
        "topic": topic,
        "dry_run": dry_run,
        "letters": [
            {
                "letter": names_of(one)[0],
                "record": tried.record,
                "table": tried.table,
                "reason": one.record.reason,
                "outcome": tried.outcome.value,
                "done": tried.outcome.done,
                "message": tried.message,
            }
            for one, tried in taken
        ],
        "outcomes": {outcome.value: count for outcome, count in sorted(account.outcomes.items())},
        "done_before": account.done_before,
        "left": dict(account.left),
        "not_letters": account.strangers,
        "tables": tables,
    }


def _tell(
    taken: "list[tuple[StoredDeadLetter, Tried]]", account: "Account", tables: "list[TableStanding]", *, dry_run: bool
) -> None:
    if taken:
        print_columns(
            TITLES,
            [
                (
                    names_of(one)[0],
                    tried.record,
                    tried.table or "-",
                    one.record.reason,
                    tried.outcome.value,
                    tried.message.splitlines()[0] if tried.message else "",
                )
                for one, tried in taken
            ],
        )
    if account.strangers:
        note(f"{counted(account.strangers, 'record')} of the topic carry no headers of a letter, and were passed over")
    said = ", ".join(f"{count} {outcome.value}" for outcome, count in sorted(account.outcomes.items()))
    done = f", {counted(account.done_before, 'letter')} done before" if account.done_before else ""
    would = "; nothing was changed (--dry-run)" if dry_run else ""
    note(f"{counted(account.outcomes.total(), 'letter')}{f': {said}' if said else ''}{done}{would}")
    for one in tables:
        note(f"{one.table}: {'no comparison is needed for its letters any more, ' if one.settled else ''}{one.why}")
