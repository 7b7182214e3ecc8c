"""Sums that tell whether two stores hold the same counts, added up in either of them.

A count is a key, a metric, an entity, a user and a value. Key, and metric with entity and user, are each mixed into a
number below a prime, by steps that every SQL can do in 64 bits; their product, times the value, is added up, and sums
are compared by what the prime leaves of them. So the sum is one of the counts and not of their order, two rows that
take each other's user change it, and what was counted there and back again adds nothing. The key's number is squared,
so that rows side by side do not make up for each other. Two sets of counts that differ have equal sums by chance about
once in two thousand million times.

A row's key is mixed once, whatever it counts for: PostgreSQL takes ten nanoseconds for each step.
"""

from typing import Final

PRIME: Final = 2**31 - 1
"""The largest prime whose square fits 63 bits."""
KEY_FACTOR: Final = 998_244_353
KEY_TERM: Final = 1_224_736_769
ENTITY_FACTOR: Final = 469_762_049
USER_FACTOR: Final = 167_772_161
METRIC_FACTOR: Final = 1_053_818_881
"""Primes below PRIME. Those of entity and user leave room to add up the products of two ids of 31 bits."""

CONSTANTS: Final = {
    "PRIME": PRIME,
    "KEY_FACTOR": KEY_FACTOR,
    "KEY_TERM": KEY_TERM,
    "ENTITY_FACTOR": ENTITY_FACTOR,
    "USER_FACTOR": USER_FACTOR,
    "METRIC_FACTOR": METRIC_FACTOR,
}
"""These numbers by name, for SQL."""


def metric_term(number: int) -> int:
    """Return what a metric's number adds to the mix of entity and user."""
    return number * METRIC_FACTOR % PRIME


def same(one: int, other: int) -> bool:
    """Return whether two sums are those of the same counts, wherever each was cut down by the prime.

    >>> same(5, 5 + PRIME), same(-1, PRIME - 1), same(5, 6)
    (True, True, False)
    """
    return (one - other) % PRIME == 0
