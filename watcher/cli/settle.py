"""``crucible settle``: how crucibles end, what is parked, and the proof of a result."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from watcher.cli.exits import FAILED
from watcher.cli.output import AsJson, DryRun, Yes, note, print_columns, print_json
from watcher.model.settlement import SettlementState
from watcher.model.words import counted

if TYPE_CHECKING:
    from config import Settings
    from watcher.postgres.own.settlement import Settlement

app = typer.Typer(no_args_is_help=True)
CrucibleId = Annotated[int, typer.Argument(metavar="CRUCIBLE", min=1, max=2**31 - 1, help="Id of the crucible.")]
WHO = "command line"
"""The name that the log of steps has for a person's commands."""


@app.command("list")
def list_settlements(
    state: Annotated[SettlementState | None, typer.Option(help="Only endings in this state.")] = None,
    most: Annotated[int, typer.Option("--limit", min=1, help="Endings at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List endings: first those that wait for you, then those under way, to come, and over.

    Examples:

      crucible settle list

      crucible settle list --state parked
    """
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.clients import site_session  # noqa: PLC0415
    from watcher.postgres.own import settlement_listing  # noqa: PLC0415

    with site_session(load()) as session:
        found = settlement_listing.listed(session, state=state, most=most)
    if as_json:
        print_json(found)
        return
    rows = [
        (e.crucible_id, e.state, e.due_at, e.settled_at, e.entries, e.pool, e.paid, e.refunded, e.reason or e.error)
        for e in found
    ]
    print_columns(("crucible", "state", "ends", "settled", "entries", "pool", "paid", "refunded", "why"), rows)
    if any(one.state == SettlementState.PARKED for one in found):
        note("parked ones wait for you: `crucible settle show CRUCIBLE` says why and what to do")


@app.command()
def show(crucible_id: CrucibleId, as_json: AsJson = False) -> None:
    """Show how a crucible's ending stands: its state, prizes with their payments, what is unfinished, every step.

    Examples:

      crucible settle show 42
    """
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.clients import site_session  # noqa: PLC0415
    from watcher.postgres.own import settlement_listing  # noqa: PLC0415

    with site_session(load()) as session:
        one = settlement_listing.shown(session, crucible_id)
        steps = settlement_listing.steps(session, crucible_id)
        prizes = settlement_listing.prizes(session, crucible_id)
        unfinished = settlement_listing.unfinished(session, crucible_id)
    if one is None:
        note(_no_ending(crucible_id))
        raise typer.Exit(FAILED)
    if as_json:
        print_json({"settlement": one, "steps": steps, "prizes": prizes, "unfinished": unfinished})
        return
    for name in one.__struct_fields__:
        if (value := getattr(one, name)) is not None:
            typer.echo(f"{name + ':':15}{value}")
    if prizes:
        print_columns(
            ("position", "entry", "user", "prize", "payment", "error"),
            [(p.position, p.entry_id, p.user_id, p.amount, p.payment, p.error) for p in prizes],
        )
    print_columns(
        ("when", "by", "state", "details"),
        [(step.made_at.isoformat(), step.made_by, step.state, step.details or None) for step in steps],
    )
    for rows in unfinished:
        held = f"{counted(rows.rows, 'row')} of {rows.channel}"
        note(f"{held} {rows.state}: `crucible outbox list --state {rows.state}`")
    if one.state == SettlementState.PARKED:
        note(f"Parked: {one.reason}")


@app.command()
def run(crucible_id: CrucibleId, as_json: AsJson = False) -> None:
    """Take one ending as far as it goes now, as the role that settles would, and say what became of it.

    Payments and notices are carried out by `crucible run --role settle`.

    Examples:

      crucible settle run 42
    """
    from prometheus_client import CollectorRegistry  # noqa: PLC0415

    from config import load  # noqa: PLC0415
    from watcher.bootstrap.ballots import ballots  # noqa: PLC0415
    from watcher.bootstrap.endings import compose_endings, settle_session  # noqa: PLC0415
    from watcher.postgres.own import settlement  # noqa: PLC0415
    from watcher.telemetry.metrics import Metrics  # noqa: PLC0415

    settings = _settling(load())

    def connect() -> Any:
        return settle_session(settings)

    with ballots(settings, Metrics(CollectorRegistry()), connect) as votes:
        endings = compose_endings(settings, connect, votes, _TerminalObserver(), WHO)
        try:
            taken = endings.run_one(crucible_id)
        finally:
            endings.end()
    with connect() as session:
        found = settlement.load(session, crucible_id)
    state = found.state.value if found else None
    if as_json:
        print_json({"crucible": crucible_id, "taken": taken, "state": state})
    elif found is None:
        note(_no_ending(crucible_id))
    elif not taken:
        whose = f", and belongs to {found.claimed_by}" if found.claimed_by else ""
        note(f"nothing to do now: the ending of crucible {crucible_id} is {state}{whose}")
    if state is None or state == SettlementState.PARKED:
        raise typer.Exit(FAILED)


@app.command()
def retry(crucible_id: CrucibleId, as_json: AsJson = False) -> None:
    """Have a parked ending go on, after its cause was mended.

    Examples:

      crucible settle retry 42
    """
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.clients import site_session  # noqa: PLC0415
    from watcher.postgres.own import settlement  # noqa: PLC0415

    with site_session(load()) as session:
        state = settlement.retry(session, crucible_id, WHO)
    if as_json:
        print_json({"crucible": crucible_id, "state": state})
    if state is None:
        note(f"the ending of crucible {crucible_id} is not parked; `crucible settle show {crucible_id}` says how it is")
        raise typer.Exit(FAILED)
    if not as_json:
        typer.echo(f"crucible {crucible_id} goes on from: {state.value}")


@app.command()
def cancel(crucible_id: CrucibleId, yes: Yes = False, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Cancel a crucible that has no result yet: the site sees it Cancelled, and every fee goes back.

    Examples:

      crucible settle cancel 42 --dry-run

      crucible settle cancel 42 --yes
    """
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.endings import settle_session  # noqa: PLC0415
    from watcher.postgres.own import entry_listing, settlement  # noqa: PLC0415
    from watcher.settlement import cancelling  # noqa: PLC0415

    settings = _settling(load())
    with settle_session(settings) as session:
        cancelling.check(session, crucible_id)
        found = settlement.load(session, crucible_id)
        fees = sum(one.fees for one in entry_listing.counted(session, crucible_id))
        if not dry_run:
            if not yes:
                typer.confirm(f"Cancel crucible {crucible_id} and give back {fees} Buzz of its entries?", abort=True)
            state = cancelling.cancel(session, crucible_id, WHO)
    if as_json:
        now = (found.state if found else None) if dry_run else state
        print_json({"crucible": crucible_id, "fees": fees, "state": now, "dry_run": dry_run})
    elif dry_run:
        note(f"would cancel crucible {crucible_id} and give back {fees} Buzz of its entries")
    else:
        typer.echo(f"crucible {crucible_id} is cancelled; its fees are going back")


@app.command()
def proof(crucible_id: CrucibleId, as_json: AsJson = False) -> None:
    """Work a result out again from ClickHouse's votes alone, and compare it with what was proven before it was paid.

    Exit codes: 0 the same, 1 another one or none to compare with, 75 ClickHouse is away.

    Examples:

      crucible settle proof 42
    """
    from functools import partial  # noqa: PLC0415

    from prometheus_client import CollectorRegistry  # noqa: PLC0415

    from config import load  # noqa: PLC0415
    from watcher.bootstrap.ballots import ballots  # noqa: PLC0415
    from watcher.bootstrap.clients import site_session  # noqa: PLC0415
    from watcher.postgres.own import settlement  # noqa: PLC0415
    from watcher.telemetry.metrics import Metrics  # noqa: PLC0415

    settings = load()
    connect = partial(site_session, settings)
    with connect() as session:
        one = settlement.load(session, crucible_id)
    if one is None:
        note(_no_ending(crucible_id))
        raise typer.Exit(FAILED)
    if one.state in {SettlementState.REFUNDING, SettlementState.CANCELLED}:
        note(f"crucible {crucible_id} is cancelled, so it has no result that could be proven")
        raise typer.Exit(FAILED)
    with ballots(settings, Metrics(CollectorRegistry()), connect) as votes:
        found = votes.recompute(crucible_id)
    known = (one.digest, one.votes)
    same = known == (found.digest, found.votes)
    if as_json:
        print_json(
            {
                "crucible": crucible_id, "same": same, "digest": found.digest, "votes": found.votes,
                "entries": len(found.ratings), "proven_digest": known[0], "proven_votes": known[1],
            }
        )  # fmt: skip
    else:
        print_columns(
            ("", "votes", "sha-256"),
            [("proven", known[1], known[0]), ("from ClickHouse now", found.votes, found.digest)],
        )
        if known[0] is None:
            note(f"the result of crucible {crucible_id} is not proven yet: its ending is {one.state.value}")
        else:
            note(f"the votes give {'the same result' if same else 'another result: some have changed or gone since'}")
    if not same:
        raise typer.Exit(FAILED)


def _no_ending(crucible_id: int) -> str:
    """Return what is said of a crucible that has no ending."""
    return (
        f"crucible {crucible_id} has no ending: it is not there, was over before anybody looked, or nobody has looked "
        "yet; does `crucible run --role settle` run?"
    )


class _TerminalObserver:
    """Says on the terminal what becomes of an ending."""

    def moved(self, one: "Settlement") -> None:
        note(f"crucible {one.crucible_id}: {one.state.value}")

    def parked(self, one: "Settlement", reason: str) -> None:
        note(f"crucible {one.crucible_id}: parked. {reason}")

    def waiting(self, found: object) -> None:
        """Do nothing: endings of other crucibles were not asked for."""

    def away(self, error: Exception, crucible_id: int | None) -> None:
        note(f"crucible {crucible_id}: waits. {error}")


def _settling(settings: "Settings") -> "Settings":
    """Return the settings, if they say who settles.

    Raises:
        ConfigError: they do not.
    """
    from config import ConfigError  # noqa: PLC0415

    if settings.settle.dsn is None:
        raise ConfigError(
            "settle.dsn (CRUCIBLE_SETTLE__DSN): not set; expected a connection string as the role that "
            "debezium/postgres/settle.sql makes"
        )
    return settings
