"""What endings cost where the site keeps its index by hash over "crucibleId": the same as ``settle``, with it in place.

No goal: each row that is written walks along all entries of its crucible in that index, so that ten times the entries
take a hundred times as long. It takes the better part of an hour, and is measured only when it is asked for.
"""

from rich.console import Console

from benchmarks.results import Result
from benchmarks.settle import settled

SIZES = {"settle_by_hash_100k_s": 100_000, "settle_by_hash_1m_s": 1_000_000}


def measure(console: Console) -> list[Result]:
    """Settle crucibles of both sizes with the index in place.

    Raises:
        RuntimeError: one did not come to its result.
    """
    found, _ = settled(console, SIZES, by_hash=True)
    return found
