"""Python's cyclic garbage collector, which has little to find here."""

import gc
from typing import Final

YOUNG_OBJECTS: Final = 200_000
"""Objects that may be made before it looks at the new ones. Fewer: it looks through what merely waits; more: cycles,
which only errors leave behind, stay longer."""


def calm_the_collector() -> None:
    """Have it look seldom, and never at what lives as long as the process. Again in the same process is harmless.

    Rows wait by the hundred thousand, requests leave nothing in cycles; looking at them again and again cost a fifth of
    the CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
