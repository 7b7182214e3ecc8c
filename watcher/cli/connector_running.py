"""``crucible connector pause``, ``resume`` and ``restart``; ``connector.py`` has them among its verbs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

import debezium
from watcher.cli.connecting import File, Name, Timeout, open_connect, read_file, shown_status
from watcher.cli.output import AsJson, note, print_json

if TYPE_CHECKING:
    from watcher.admin.connector.rest import Connect
    from watcher.admin.connector.running import ConnectorTransition


def pause(
    *, file: File = debezium.CONNECTOR, name: Name = None, timeout: Timeout = 60.0, as_json: AsJson = False
) -> None:
    """Pause the connector, and wait until no task reads any more. Nothing is lost: `resume` goes on from there.

    PostgreSQL keeps its log for the slot meanwhile. `crucible tables pause` lets one table rest while others flow.

    Examples:

      crucible connector pause

      crucible connector pause --name crucible-events --json
    """
    from watcher.admin.connector.running import pause_connector  # noqa: PLC0415

    name = _name(file, name)
    with _asked("pause", name), open_connect() as connect:
        outcome = pause_connector(connect, name, timeout=timeout)
        _answer(connect, outcome, as_json=as_json)
    if outcome.did:
        _note_who(outcome.after.name)
    note("PostgreSQL keeps its log for the slot until `crucible connector resume`: mind its disk")


def resume(
    *, file: File = debezium.CONNECTOR, name: Name = None, timeout: Timeout = 60.0, as_json: AsJson = False
) -> None:
    """Wake the connector that is paused or stopped, and wait until every task runs.

    Examples:

      crucible connector resume
    """
    from watcher.admin.connector.running import resume_connector  # noqa: PLC0415

    name = _name(file, name)
    with _asked("resume", name), open_connect() as connect:
        _answer(connect, resume_connector(connect, name, timeout=timeout), as_json=as_json)


def restart(
    *,
    file: File = debezium.CONNECTOR,
    name: Name = None,
    everything: Annotated[
        bool, typer.Option("--all", help="What runs too: a secret in a file is read when a task begins.")
    ] = False,
    timeout: Timeout = 60.0,
    as_json: AsJson = False,
) -> None:
    """Start the connector and its tasks that have failed once more, and wait until every task runs.

    Examples:

      crucible connector restart

      crucible connector restart --all
    """
    from watcher.admin.connector.running import restart_connector  # noqa: PLC0415

    name = _name(file, name)
    with _asked("restart", name), open_connect() as connect:
        outcome = restart_connector(connect, name, timeout=timeout, everything=everything)
        _answer(connect, outcome, as_json=as_json)


@contextmanager
def _asked(verb: str, name: str) -> Iterator[None]:
    """Add to the error of a Kafka Connect that is away what was asked for, and that asking again does nothing twice."""
    from watcher.model.errors import TemporaryError  # noqa: PLC0415

    try:
        yield
    except TemporaryError as error:
        said = str(error) if str(error).startswith(f"{verb} {name}") else f"{verb} {name}: {error}"
        raise TemporaryError(
            f"{said}. Run it again when a worker is up: what is done already is not done twice"
        ) from error


def _name(file: File, name: str | None) -> str:
    return name or read_file(file, None, None).name


def _note_who(name: str) -> None:
    """Write down who has paused a connector, if PostgreSQL is there; it may be away just when one has to be paused."""
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.connectors import note_rest  # noqa: PLC0415
    from watcher.model.errors import WatcherError  # noqa: PLC0415

    try:
        note_rest(load(), name)
    except WatcherError as error:
        note(f"it is paused; that it was you is not noted for `crucible connector status`: {error}")


def _answer(connect: "Connect", outcome: "ConnectorTransition", *, as_json: bool) -> None:
    from watcher.admin.connector.file import ConnectorFile  # noqa: PLC0415

    if not as_json:
        typer.echo(str(outcome))
        return
    current = ConnectorFile(outcome.after.name, connect.config(outcome.after.name) or {})
    print_json(
        {
            "did": outcome.did,
            "before": shown_status(outcome.before, current),
            "status": shown_status(outcome.after, current),
        }
    )
