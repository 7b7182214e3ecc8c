"""``crucible entries``: which entries of a crucible take part, and why the others do not."""

from typing import Annotated

import typer

from watcher.cli.exits import FAILED
from watcher.cli.output import AsJson, note, print_columns, print_json
from watcher.model.entry_verdict import SENTENCES, EntryReason, VerdictState

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_entries(
    crucible_id: Annotated[int, typer.Argument(metavar="CRUCIBLE", min=1, max=2**31 - 1, help="Id of the crucible.")],
    verdict: Annotated[VerdictState | None, typer.Option(help="Only entries with this verdict.")] = None,
    reason: Annotated[EntryReason | None, typer.Option(help="Only entries with this reason.")] = None,
    most: Annotated[int, typer.Option("--limit", min=1, help="Entries at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the entries of a crucible with their verdicts, in the order in which they came.

    Examples:

      crucible entries list 42

      crucible entries list 42 --verdict rejected --reason level_not_allowed
    """
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.clients import site_session  # noqa: PLC0415
    from watcher.postgres.own import entry_listing  # noqa: PLC0415

    with site_session(load()) as session:
        found = entry_listing.entries_of(session, crucible_id, verdict=verdict, reason=reason, most=most)
        counts = entry_listing.counted(session, crucible_id)
    if as_json:
        print_json({"entries": found, "counts": counts})
        return
    rows = [(e.entry_id, e.user_id, e.image_id, e.verdict, e.fee, ", ".join(e.reasons) or None) for e in found]
    print_columns(("entry", "user", "image", "verdict", "fee", "reasons"), rows)
    if not counts:
        note(
            f"nothing was decided about entries of crucible {crucible_id}: it has none, is not there, or nobody has "
            "looked yet; does `crucible run --role watch` run?"
        )
        return
    total = ", ".join(f"{one.entries} {one.verdict}" for one in counts)
    note(f"crucible {crucible_id}: {total}; pool {sum(one.fees for one in counts)} Buzz")


@app.command()
def show(
    entry_id: Annotated[int, typer.Argument(metavar="ENTRY", min=1, max=2**31 - 1, help="Id of the entry.")],
    as_json: AsJson = False,
) -> None:
    """Show how an entry stands: its verdict with every reason, its fee, and each decision with what was known then.

    Examples:

      crucible entries show 1001
    """
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.clients import site_session  # noqa: PLC0415
    from watcher.postgres.own import entry_listing  # noqa: PLC0415

    with site_session(load()) as session:
        entry, decisions = entry_listing.shown(session, entry_id), entry_listing.decisions(session, entry_id)
    if entry is None:
        note(f"nothing was decided about entry {entry_id}; is it in an active crucible, and does a watcher run?")
        raise typer.Exit(FAILED)
    if as_json:
        print_json({"entry": entry, "decisions": decisions})
        return
    typer.echo(f"entry {entry.entry_id} of crucible {entry.crucible_id}, user {entry.user_id}: {entry.verdict}")
    for reason in entry.reasons:
        typer.echo(f"  {reason}: {SENTENCES[EntryReason(reason)]}")
    if entry.prefix is not None:
        typer.echo(f"fee: {entry.payment}, {entry.collected} Buzz collected under {entry.prefix} by the {entry.source}")
    print_columns(
        ("decided", "by", "verdict", "reasons"),
        [(d.made_at.isoformat(), d.made_by, d.verdict, ", ".join(d.reasons) or None) for d in decisions],
    )
