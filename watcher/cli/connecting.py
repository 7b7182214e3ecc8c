"""What the verbs of ``crucible connector`` share: which connector is meant, the worker, and how faults end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

import debezium
from watcher.cli.exits import BAD_SETTINGS, FAILED
from watcher.cli.output import note

if TYPE_CHECKING:
    from watcher.admin.connector.answers import ConnectorStatus
    from watcher.admin.connector.file import ConnectorFile
    from watcher.admin.connector.rest import Connect

File = Annotated[
    Path,
    typer.Option(
        "--file",
        "-f",
        help="Connector file; those in debezium/ are found from anywhere.",
        show_default="debezium/connector.json",
        dir_okay=False,
    ),
]
SlotFile = Annotated[
    Path,
    typer.Option("--file", "-f", help="Connector file: it names the slot.", show_default="debezium/connector.json"),
]
UNASKABLE: Final = frozenset("/\\;%")
"""Signs of a name that Kafka Connect's web server refuses in an address, however they are written."""


def _askable(name: str | None) -> str | None:
    """Return a connector's name.

    Raises:
        BadParameter: Kafka Connect cannot be asked about one of that name.
    """
    if name and (signs := UNASKABLE.intersection(name)):
        raise typer.BadParameter(
            f"{name!r}: Kafka Connect cannot be asked about a name with {' '.join(sorted(signs))}; "
            "GET /connectors tells the names that it knows"
        )
    return name


Name = Annotated[str | None, typer.Option(help="Name of the connector.", show_default="the file's", callback=_askable)]
Timeout = Annotated[float, typer.Option(help="Seconds to wait for the tasks.", min=1)]


def read_file(file: Path, name: str | None, overlay: list[str] | None) -> "ConnectorFile":
    """Return a connector file, or end with 78 and the reason."""
    from watcher.admin.connector.file import read_connector_file  # noqa: PLC0415

    if file.parts[:1] == ("debezium",) and not file.exists():  # a shipped one, named from elsewhere than a checkout
        file = debezium.HERE.joinpath(*file.parts[1:])
    with faults():
        return read_connector_file(file, name=name, overlay=overlay or ())


@contextmanager
def open_connect() -> Iterator["Connect"]:
    """Give the Kafka Connect worker of the settings; faults within the block end as :func:`faults` says."""
    from config import load  # noqa: PLC0415
    from watcher.admin.connector.rest import Connect  # noqa: PLC0415

    settings = load().connect
    with faults():
        yield Connect(settings.url, settings.timeout)


@contextmanager
def faults() -> Iterator[None]:
    """Turn faults of the file or of the address into exit code 78, and those of a connector into 1."""
    from watcher.admin.connector.apply import ConnectorFailedError  # noqa: PLC0415
    from watcher.admin.connector.file import ConnectorFileError  # noqa: PLC0415
    from watcher.admin.connector.plan import ConnectorInvalidError  # noqa: PLC0415
    from watcher.admin.connector.rest import ConnectRefusedError  # noqa: PLC0415
    from watcher.admin.connector.running import ConnectorRestsError, NoConnectorError  # noqa: PLC0415

    try:
        yield
    except (ConnectorFileError, ConnectorInvalidError, ConnectRefusedError) as error:
        note(str(error))
        raise typer.Exit(BAD_SETTINGS) from error
    except (ConnectorFailedError, ConnectorRestsError, NoConnectorError) as error:
        note(str(error))
        raise typer.Exit(FAILED) from error


def shown_status(found: "ConnectorStatus", current: "ConnectorFile") -> dict[str, object]:
    """Return a status as ``--json`` shows it, without the secrets of the connector's configuration."""
    from watcher.admin.connector.secrets import without_secrets  # noqa: PLC0415

    return {
        "name": found.name,
        "state": found.connector.state,
        "runs": found.runs,
        "tasks": [
            {
                "id": task.id,
                "state": task.state,
                "worker": task.worker_id,
                "trace": task.trace and without_secrets(task.trace, [current.config]),
            }
            for task in found.tasks
        ],
    }
