"""Has the judges' keys of a crucible that has ended expire, which are too many for one script."""

from itertools import islice
from typing import Final

from watcher.redis import keys
from watcher.redis.client import Client, away_is_temporary, run_script
from watcher.redis.scripts import script

ENDING: Final = script("ending")

MAX_JUDGES: Final = 500
"""Judges of one script call, about two milliseconds of Redis' time. Larger: other crucibles' votes wait."""


def end_judges(client: Client, crucible_id: int) -> None:
    """Have what each judge has judged in a crucible that has ended expire with it.

    The list of judges comes last: as long as it does not expire, somebody has yet to do this.

    Raises:
        TemporaryError: Redis is away; some are done, and doing it again is harmless.
    """
    state, judges = keys.state(crucible_id), keys.judges(crucible_id)
    with away_is_temporary():
        names = (keys.judged(crucible_id, int(user)) for user in client.sscan_iter(judges, count=MAX_JUDGES))
        while some := list(islice(names, MAX_JUDGES)):
            if not run_script(client, ENDING, [state, *some]):
                return
        run_script(client, ENDING, [state, judges])
