"""How many ranges of keys are asked for at once, so that no question burdens a site's database for long; pure."""

from typing import Final

QUESTION_SECONDS: Final = 1.0
"""What a question should take. Less: more questions; more: the site's database is held longer by one."""
FIRST_RANGES: Final = 4
MAX_RANGES: Final = 64
"""Four million keys, of which few are left where so many take less than a second."""


class Pace:
    """Finds the number of ranges that takes about a second.

    >>> pace = Pace()
    >>> pace.took(0.2); pace.ranges
    8
    >>> pace.took(3.0); pace.ranges
    4
    """

    def __init__(self) -> None:
        self.ranges = FIRST_RANGES
        """To ask for next."""
        self._most = MAX_RANGES

    def took(self, seconds: float) -> None:
        """Note how long the last question took, in seconds."""
        if seconds < QUESTION_SECONDS / 2:
            self.ranges = min(self._most, self.ranges * 2)
        elif seconds > QUESTION_SECONDS * 2:
            self.ranges = max(1, self.ranges // 2)

    def given_up(self) -> bool:
        """Note that the server gave up on the last question; return whether a smaller one can be asked."""
        smaller = self.ranges > 1
        self.ranges = self._most = max(1, self.ranges // 4)
        return smaller
