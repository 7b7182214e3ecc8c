"""Tells why a connector sends nothing, as a person has to know who waits for what it sends."""

from watcher.admin.connector.answers import ConnectorStatus


def standstill(name: str, status: ConnectorStatus | None) -> str:
    """Return why a connector sends nothing until a person changes that, and by which command; empty: it may send.

    Args:
        name: of the connector.
        status: None: there is no such connector.

    >>> standstill("crucible", None)
    'there is no connector crucible: run `crucible connector apply`, then this again'
    """
    if status is None:
        return f"there is no connector {name}: run `crucible connector apply`, then this again"
    if status.at_rest:
        return f"connector {name} is {status.at_rest}: run `crucible connector resume`, then this again"
    return ""


def failure(name: str, status: ConnectorStatus | None) -> str:
    """Return that a connector has failed, and the next command; empty: it has not. Watchers may start it once more."""
    if status is None or not status.traces:
        return ""
    return (
        f"connector {name} has failed: `crucible connector status` says why; once that is mended run "
        "`crucible connector restart`, then this again"
    )
