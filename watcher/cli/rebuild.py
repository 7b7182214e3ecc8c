"""``crucible rebuild``: what Redis shows of crucibles, made anew from the other stores."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Self

import typer

from watcher.cli.exits import FAILED, TRY_AGAIN, USAGE
from watcher.cli.interrupted import interruptible
from watcher.cli.output import AsJson, note, print_columns, print_json
from watcher.model.words import counted

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from watcher.postgres.own.rebuild_run import RebuildRun
    from watcher.recovery.rebuild import Rebuilt

app = typer.Typer(no_args_is_help=False)

TITLES = ("crucible", "entries", "votes", "replayed", "pairs", "forgotten", "epoch", "seconds")
SHOWN_GONE = 10
"""Ids of crucibles that are gone in one line."""
PLAIN_EVERY_SECONDS = 5.0
"""Seconds between two plain lines of the same step; without a terminal nothing can be overwritten."""


@app.command()
def rebuild(
    crucible_id: Annotated[int | None, typer.Argument(help="Crucible to rebuild.", min=1, max=2**31 - 1)] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every crucible that is not finished; goes on where a run killed today was.")
    ] = False,
    replayed: Annotated[
        bool, typer.Option("--replay", help="Cast every vote again, and prove that the ratings are what comes of it.")
    ] = False,
    anew: Annotated[bool, typer.Option("--anew", help="With --all: begin with the first one.")] = False,
    give_up_votes: Annotated[
        bool, typer.Option("--give-up-votes", help="Also where votes were counted that ClickHouse lacks: without them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rebuild what Redis shows from PostgreSQL's rows and ClickHouse's votes, to the same numbers.

    Votes on a crucible are answered with 503 and Retry-After while it is rebuilt; those before are drained first. The
    ratings come from the view entry_rating, in one step per entry; with --replay, every vote is cast again in order and
    the result has to equal the view's. Judged pairs come from the votes of the last 90 days; older ones are forgotten.

    Where Redis has counted votes that ClickHouse lacks, nothing is rebuilt: `crucible reconcile --fix` brings them back
    from Redis, which would forget them here.

    Exit codes: 0 done, 1 a replay differs, votes would be lost, or there is no such crucible, 75 a neighbour is away:
    start it again.

    Examples:

      crucible rebuild 42 --replay

      crucible rebuild --all
    """
    if (crucible_id is None) == (not everything) or (anew and not everything):
        note("name one crucible, or --all; --anew goes with --all")
        raise typer.Exit(USAGE)
    again = "`crucible rebuild --all` goes on there" if everything else f"`crucible rebuild {crucible_id}` begins anew"
    with interruptible(f"what was rebuilt stays; {again}"), _Progress(quiet=as_json) as progress:
        if crucible_id:
            done = _one(crucible_id, progress, replayed=replayed, giving_up=give_up_votes)
        else:
            done = _all(progress, replayed=replayed, giving_up=give_up_votes, anew=anew)
    if as_json:
        print_json(done)
    elif done:
        print_columns(TITLES, [(one.crucible_id, *(getattr(one, name) for name in TITLES[1:])) for one in done])
    for one in done:
        if one.forgotten:
            votes = f"{counted(one.forgotten, 'vote')} {'is' if one.forgotten == 1 else 'are'}"
            note(
                f"crucible {one.crucible_id}: {votes} past their 90 days in ClickHouse. Ratings and "
                "vote counts have them; their judges may judge those pairs again"
                + ("; a replay from the first vote is not possible" if replayed else "")
            )


def _one(crucible_id: int, progress: "_Progress", *, replayed: bool, giving_up: bool) -> "list[Rebuilt]":
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.verification import verifying  # noqa: PLC0415
    from watcher.recovery.verifier import Comparison  # noqa: PLC0415

    with verifying(load()) as verification:
        done = verification.verifier.rebuild(crucible_id, replayed=replayed, giving_up=giving_up, progress=progress)
    if done is Comparison.UNKNOWN:
        note(f"PostgreSQL has no crucible {crucible_id}")
        raise typer.Exit(FAILED)
    if done is Comparison.FINISHED:
        note(f"crucible {crucible_id} is finished: it is answered from PostgreSQL, there is nothing to rebuild")
        return []
    if done is Comparison.BUSY:
        note(f"crucible {crucible_id} is being compared or rebuilt by another process; try again in a minute")
        raise typer.Exit(TRY_AGAIN)
    return [done]  # type: ignore[list-item] # the other verdicts are no answers of a rebuild


def _all(progress: "_Progress", *, replayed: bool, giving_up: bool, anew: bool) -> "list[Rebuilt]":
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.verification import verifying  # noqa: PLC0415
    from watcher.recovery.rebuild_all import rebuild_all  # noqa: PLC0415
    from watcher.recovery.sweep import Sweep  # noqa: PLC0415

    done = []
    with verifying(load()) as verification:
        if gone := Sweep(verification.client, verification.verifier).take_out_all_gone():
            some = ", ".join(map(str, gone[:SHOWN_GONE])) + (", ..." if len(gone) > SHOWN_GONE else "")
            note(f"{counted(len(gone), 'crucible')} that PostgreSQL does not have left Redis: {some}")
        rebuilt = rebuild_all(
            verification.verifier,
            verification.open_site,
            replayed=replayed,
            giving_up=giving_up,
            anew=anew,
            begun=progress.begun,
            progress=progress,
        )
        for one in rebuilt:
            done.append(one)
            progress.finished(one)
    return done


class _Progress:
    """Bars on a terminal; elsewhere a plain line now and then, on standard error."""

    def __init__(self, *, quiet: bool) -> None:
        self._plain = quiet or not sys.stderr.isatty()
        self._quiet = quiet
        self._said: dict[str, float] = {}
        self._bar: Bar | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        if not self._plain:
            from rich.console import Console  # noqa: PLC0415
            from rich.progress import Progress  # noqa: PLC0415

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begun(self, crucibles: int, done: int, run: "RebuildRun") -> None:
        """Show that a run over all crucibles begins, or goes on."""
        if run.left:
            note(f"there is an interrupted run, but {run.left}: this one begins with the first crucible")
        if run.resumed:
            whole = counted(crucibles, "crucible")
            note(f"going on with an interrupted run: {done} of {whole} done (--anew: all again)")
        self("crucibles", done, crucibles)

    def finished(self, one: "Rebuilt") -> None:
        """Show that one crucible of a run over all is done."""
        if self._bar is not None and "crucibles" in self._tasks:
            self._bar.advance(self._tasks["crucibles"])
        elif not self._quiet:
            held = f"{counted(one.entries, 'entry')}, {counted(one.votes, 'vote')}"
            note(f"crucible {one.crucible_id}: {held}, {one.seconds} s")

    def __call__(self, step: str, done: int, total: int | None) -> None:
        """Show how far a step is."""
        if self._bar is not None:
            if step not in self._tasks:
                self._tasks[step] = self._bar.add_task(step)
            self._bar.update(self._tasks[step], completed=done, total=total)
        elif not self._quiet and time.monotonic() - self._said.get(step, -PLAIN_EVERY_SECONDS) >= PLAIN_EVERY_SECONDS:
            self._said[step] = time.monotonic()
            note(f"{step}: {done}" + (f" of {total}" if total is not None else ""))
