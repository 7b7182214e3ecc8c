"""Sums that tell whether two stores hold the same counts, added up in either of them.

A count is a key, a metric, an entity, a user and a value. The first four are mixed into one number below a prime, by
steps that every SQL can do in 64 bits; its square, times the value, is added up. So the sum is one of the counts and
not of their order, two counts that take each other's user change it, and what was counted there and back again adds
nothing. Two sets of counts that differ have equal sums by chance about once in two thousand million times.
"""

from typing import Final

PRIME: Final = 2**31 - 1
"""The largest prime whose square fits 63 bits."""
FACTOR: Final = 1_000_003
"""A prime between the metrics and users that there are, and what PRIME leaves room for."""


def mixed(key: int, metric: int, entity: int, user: int) -> int:
    """Return the number that a count's value is multiplied by.

    >>> mixed(7, 1, 42, 3) != mixed(7, 1, 42, 4)
    True
    """
    one = (key % PRIME * FACTOR + entity) % PRIME
    one = (one * FACTOR + user) % PRIME
    one = (one * FACTOR + metric) % PRIME
    return one * one % PRIME
