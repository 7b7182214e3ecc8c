"""Moments of the site's rows as everything else here holds them: milliseconds since 1970, of the years 1900 to 2299.

PostgreSQL holds more: the infinities, years BC, and up to 294276. What lies beyond is the outermost moment on its side;
an end there is no end, and a beginning before all moments is none. ``watcher/postgres/moments.py`` says so in SQL.
"""

from typing import Annotated, Final

import msgspec

FIRST_MS: Final = -2_208_988_800_000
"""The beginning of 1900."""
LAST_MS: Final = 10_413_791_999_999
"""The end of 2299."""
_ENDLESS_MS: Final = 9_223_372_036_825_200_000
"""What the connector sends for ``infinity``."""
_BEGINNINGLESS_MS: Final = -9_223_372_036_832_400_000
"""What it sends for ``-infinity``."""
_MICROSECONDS: Final = range(946_684_800_000_000, 4_102_444_800_000_000)
"""The years 2000 to 2099, were they microseconds. As milliseconds they are years from 31,969, which nobody means."""
_POSTGRES: Final = range(-210_866_803_200_000, 9_224_318_016_000_000)
"""What PostgreSQL can hold besides the infinities: 4714 BC to 294276."""

Moment = Annotated[int, msgspec.Meta(ge=_BEGINNINGLESS_MS, le=_ENDLESS_MS)]
"""A ``timestamp(3)`` as the connector sends it, in milliseconds since 1970."""


def moment_ms(given: int) -> int:
    """Return a moment as it is held here.

    Args:
        given: milliseconds since 1970, as the connector sends them.

    Raises:
        ValueError: it is no moment in milliseconds.

    >>> moment_ms(1_760_000_000_000), moment_ms(9_223_372_036_825_200_000)
    (1760000000000, 10413791999999)
    """
    if FIRST_MS <= given <= LAST_MS:
        return given
    if given not in (_ENDLESS_MS, _BEGINNINGLESS_MS) and (given in _MICROSECONDS or given not in _POSTGRES):
        raise ValueError(
            f"{given} is no moment in milliseconds since 1970; let the column be timestamp(3), and the connector's "
            "time.precision.mode adaptive or connect"
        )
    return LAST_MS if given > LAST_MS else FIRST_MS


def start_ms(given: int | None) -> int | None:
    """Return when something begins, None if it has always begun; as :func:`moment_ms`.

    >>> start_ms(1), start_ms(-9_223_372_036_832_400_000)
    (1, None)
    """
    held = FIRST_MS if given is None else moment_ms(given)
    return None if held == FIRST_MS else held


def end_ms(given: int | None) -> int | None:
    """Return when something ends, None if it never does; as :func:`moment_ms`.

    >>> end_ms(1), end_ms(9_223_372_036_825_200_000)
    (1, None)
    """
    held = LAST_MS if given is None else moment_ms(given)
    return None if held == LAST_MS else held
