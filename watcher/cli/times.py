"""How a moment is named on the command line."""

from datetime import UTC, datetime

import typer


def time_of(text: str | None, option: str) -> datetime | None:
    """Return a time, with time zone; in UTC where none was given.

    Args:
        text: as it was typed.
        option: where, for the error.

    Raises:
        BadParameter: it is no time, or none that UTC has a year for.
    """
    if text is None:
        return None
    try:
        given = datetime.fromisoformat(text)
        return (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is not a time like 2026-01-31 or 2026-01-31T12:00:00Z", param_hint=option
        ) from None
