"""How a crucible's pool is to be divided, as its row says."""

from typing import Any

import msgspec


def paid_places(text: str | None) -> int:
    """Number of places that get a part of the pool.

    Args:
        text: JSON of the column ``prizePositions``. Both of its shapes are read: an object from place to percentage,
            and a list of objects with ``position`` and ``percentage``. What says nothing usable pays nobody.

    >>> paid_places('{"1":50,"2":30,"3":20}')
    3
    >>> paid_places('[{"position":1,"percentage":60},{"position":2,"percentage":0}]')
    1
    >>> paid_places("[]"), paid_places(None), paid_places('{"1":')
    (0, 0, 0)
    """
    try:
        told: object = msgspec.json.decode(text or "null")
    except (msgspec.DecodeError, RecursionError, ValueError):
        return 0
    if isinstance(told, dict):
        parts: list[tuple[Any, Any]] = [
            (int(place), share) for place, share in told.items() if place.isascii() and place.isdecimal()
        ]
    elif isinstance(told, list):
        parts = [(one.get("position"), one.get("percentage")) for one in told if isinstance(one, dict)]
    else:
        return 0
    return len({place for place, share in parts if type(place) is int and place >= 1 and _number(share) > 0})


def _number(value: object) -> float:
    return value if type(value) is int or type(value) is float else 0
