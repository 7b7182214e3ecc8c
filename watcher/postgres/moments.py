"""The outermost moments that are held here, in SQL: ``watcher/model/moments.py`` says why, and what lies beyond."""

from typing import Final

MOMENTS: Final = {
    "FIRST_MOMENT": "timestamp '1900-01-01'",
    "LAST_MOMENT": "timestamp '2299-12-31 23:59:59.999'",
}
"""What stands in braces in the statements."""
