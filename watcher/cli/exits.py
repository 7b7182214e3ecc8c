"""What the process tells its caller when it ends; 0, 1 and 2 mean what they mean everywhere."""

from typing import Final

OK: Final = 0
FAILED: Final = 1
"""It did not work, or a check found a fault."""
USAGE: Final = 2
"""The command line is wrong."""
TRY_AGAIN: Final = 75
"""A neighbour is away; the same call may go through later (``EX_TEMPFAIL``)."""
BAD_SETTINGS: Final = 78
"""The settings cannot be used; starting again will not help (``EX_CONFIG``)."""
