"""How a crucible's pool is to be divided, as its row says, and what each place gets of it.

All of it is exact: percentages are fractions, never floats, of which 29 percent of 100 is 28.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import msgspec

WHOLE_PERCENT: Final = 100
"""Percent of a pool that there are to give."""
MAX_DECIMALS: Final = 9
"""Decimals of a percentage. More would make fractions of any length, and is a Buzz of no pool that can be."""
MAX_DIGITS: Final = 18
"""Digits of a place. There are never so many entries; and Python reads no number of thousands of them."""
_JSON: Final = msgspec.json.Decoder(float_hook=Decimal)

Shares = Mapping[int, Fraction]
"""Percent of the pool by place, from place 1; places that get nothing are left out."""


class UnreadablePrizesError(ValueError):
    """Raised when it is not plain how a pool is to be divided: nobody is paid until somebody has looked."""


class Division(msgspec.Struct, frozen=True):
    """What a pool comes to for those who have a place."""

    prizes: Mapping[int, int]
    """Buzz by place, of those that get any."""
    paid: int
    """Buzz that the prizes come to."""
    remainder: int
    """Buzz that nobody gets: lost in rounding down, of no percentage, or for a place that nobody has."""


def prize_shares(text: str | None) -> Shares:
    """Return what part of the pool each place gets.

    Args:
        text: JSON of the column ``prizePositions``. Both of its shapes are read: an object from place to percentage,
            and a list of objects with ``position`` and ``percentage``. NULL and JSON null give nothing to anybody.

    Raises:
        UnreadablePrizesError: anything else, a place that is no whole number of at least 1 or is there twice, a
            percentage below 0, or percentages of more than 100 in all.

    >>> dict(prize_shares('{"1":50,"2":30,"3":20}'))
    {1: Fraction(50, 1), 2: Fraction(30, 1), 3: Fraction(20, 1)}
    >>> dict(prize_shares('[{"position":1,"percentage":33.3}]'))
    {1: Fraction(333, 10)}
    >>> prize_shares('{"1":60,"2":60}')
    Traceback (most recent call last):
    ...
    watcher.model.prizes.UnreadablePrizesError: percentages come to 120, expected at most 100
    """
    shares: dict[int, Fraction] = {}
    for place, percentage in _read(text):
        if place in shares:
            raise UnreadablePrizesError(f"place {place} is there twice, expected each once")
        shares[place] = percentage
    if (total := sum(shares.values())) > WHOLE_PERCENT:
        raise UnreadablePrizesError(f"percentages come to {_plain(Fraction(total))}, expected at most {WHOLE_PERCENT}")
    return {place: share for place, share in sorted(shares.items()) if share}


def divide(pool: int, shares: Shares, places: int) -> Division:
    """Return what each place gets: ``percentage * pool // 100``, in whole numbers.

    Args:
        pool: Buzz; at least 0.
        shares: as :func:`prize_shares` returns them.
        places: how many entries have a place; what is for a place that nobody has stays where it is.

    >>> divide(333, prize_shares('{"1":50,"2":30,"3":20}'), places=10)
    Division(prizes={1: 166, 2: 99, 3: 66}, paid=331, remainder=2)
    """
    found = {place: int(share * pool // WHOLE_PERCENT) for place, share in shares.items() if place <= places}
    prizes = {place: amount for place, amount in found.items() if amount}
    paid = sum(prizes.values())
    return Division(prizes, paid, pool - paid)


def paid_places(text: str | None) -> int:
    """Return how many places get a part of the pool; 0 where that cannot be read, for then nobody is paid.

    >>> paid_places('{"1":50,"2":30,"3":20}')
    3
    >>> paid_places('[{"position":1,"percentage":60},{"position":2,"percentage":0}]')
    1
    >>> paid_places("[]"), paid_places(None), paid_places('{"1":')
    (0, 0, 0)
    """
    try:
        return len(prize_shares(text))
    except UnreadablePrizesError:
        return 0


def ordinal(place: int) -> str:
    """Return a place as people write it.

    >>> [ordinal(place) for place in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)]
    ['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '102nd', '111th']
    """
    if place % 100 in {11, 12, 13}:
        return f"{place}th"
    return f"{place}{({1: 'st', 2: 'nd', 3: 'rd'}).get(place % 10, 'th')}"


def _read(text: str | None) -> Iterator[tuple[int, Fraction]]:
    try:
        told: object = _JSON.decode(text or "null")
    except (msgspec.DecodeError, RecursionError, ValueError, ArithmeticError) as error:
        raise UnreadablePrizesError("the column is no JSON that can be read") from error
    if told is None:
        return
    for place, percentage in _pairs(told):
        yield _place(place), _percentage(place, percentage)


def _pairs(told: object) -> Iterable[tuple[Any, Any]]:
    if isinstance(told, dict):
        return [(int(place) if _is_number(place) else place, it) for place, it in told.items()]
    if isinstance(told, list):
        if wrong := [one for one in told if not isinstance(one, dict) or not {"position", "percentage"} <= one.keys()]:
            raise UnreadablePrizesError(f"given {_said(wrong[0])} in the list, expected a position and a percentage")
        return [(one["position"], one["percentage"]) for one in told]
    raise UnreadablePrizesError(
        f"given {_said(told)}, expected an object from place to percentage, or a list of objects with position and "
        "percentage"
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS


def _place(value: object) -> int:
    if isinstance(value, Decimal) and value.is_finite() and -1 < value.adjusted() < MAX_DIGITS and value % 1 == 0:
        value = int(value)
    if type(value) is not int or not 1 <= value < 10**MAX_DIGITS:
        raise UnreadablePrizesError(f"given the place {_said(value)}, expected a whole number of at least 1")
    return value


def _percentage(place: object, value: object) -> Fraction:
    expected = f"given {_said(value)} percent for place {_said(place)}, expected a number from 0 to {WHOLE_PERCENT}"
    if type(value) is not int and not isinstance(value, Decimal):
        raise UnreadablePrizesError(expected)
    if not 0 <= value <= WHOLE_PERCENT:
        raise UnreadablePrizesError(expected)
    if isinstance(value, Decimal) and value and _decimals(value) > MAX_DECIMALS:
        raise UnreadablePrizesError(f"{expected}, with {MAX_DECIMALS} decimals at most")
    return Fraction(value)


def _decimals(value: Decimal) -> int:
    """Return how many decimals a number has; of one that is very small at least as many as it has zeros.

    Asked in this order: to normalize such a number makes nothing of it, and a fraction of it has no end.

    >>> [_decimals(Decimal(text)) for text in ("33.30", "1e2", "1e-999999999999")]
    [1, -2, 999999999999]
    """
    return max(-value.adjusted(), -int(value.normalize().as_tuple().exponent))


def _said(value: object) -> str:
    """Return what was given, as JSON where that is short."""
    text = str(value) if isinstance(value, Decimal) else msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= 40 else f"{text[:40]}..."


def _plain(value: Fraction) -> str:
    return str(int(value)) if value.denominator == 1 else f"{float(value):g}"
