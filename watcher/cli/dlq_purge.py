"""``crucible dlq purge``: dead letters that are done are deleted from their topic."""

from typing import Annotated

import typer

from watcher.cli.output import AsJson, DryRun, Yes, note, print_columns, print_json
from watcher.cli.times import time_of
from watcher.model.words import counted


def purge(
    before: Annotated[
        str | None,
        typer.Option(help="Also what is not done, of records from before this time: it is lost, and --yes is asked."),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete dead letters that are done from their topic, for good.

    Kafka deletes the beginning of a partition and nothing else (a letter's key is its record's, so no tombstone could
    name it either): letters go up to the first that is not done. With --before, those go as well that nobody has taken
    and whose records are older; what they say is then lost, and only a comparison finds it.

    Examples:

      crucible dlq purge --dry-run

      crucible dlq purge --yes

      crucible dlq purge --before 2025-01-01T00:00:00Z
    """
    import config  # noqa: PLC0415
    from watcher.bootstrap.dead_letters import opened_dead_letters  # noqa: PLC0415

    limit = time_of(before, "--before")
    with opened_dead_letters(config.load()) as letters:
        found = letters.purgeable(limit) if letters.partitions else []
        some = [one for one in found if one.done or one.not_done]
        if not as_json and found:
            print_columns(
                ("partition", "done", "not done", "up to", "stay behind", "stopped by"),
                [(one.partition, one.done, one.not_done, one.upto, one.behind, one.stopped_by or "-") for one in found],
            )
        done, lost = sum(one.done for one in some), sum(one.not_done for one in some)
        if some and not dry_run:
            if not yes:
                warning = f", {counted(lost, 'record')} of which nobody has taken" if lost else ""
                typer.confirm(
                    f"Delete {counted(done + lost, 'letter')} of {letters.topic}{warning}?", abort=True, err=True
                )
            letters.purge(some)
    if as_json:
        print_json({"topic": letters.topic, "partitions": found, "applied": bool(some) and not dry_run})
    elif dry_run or not some:
        stopped = f"nothing of {letters.topic} can go: see the first left"
        empty = f"{letters.topic} holds no letters"
        note("nothing was changed (--dry-run)" if some else stopped if any(one.stopped_by for one in found) else empty)
    else:
        note(f"deleted {counted(done + lost, 'letter')} of {letters.topic}")
    if lost and not dry_run:
        note("letters were deleted that nobody had taken: run `crucible reconcile --fix`")
