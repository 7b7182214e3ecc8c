"""``GET /v1/crucibles/{id}/pair``: who may ask for one, and in which words there is none."""

from typing import Final

from watcher.api.http.guard import Answer, Ask
from watcher.api.http.problem import ProblemError
from watcher.api.identity.users import may_vote
from watcher.api.resources.bodies import encode
from watcher.api.resources.crucibles import Crucibles
from watcher.api.resources.entries import level_of
from watcher.api.resources.pairs import NoPair, Pairs

_NOTHING: Final = {NoPair.ALL_JUDGED: "all_judged", NoPair.TOO_FEW: "no_pair"}


class Pair:
    """The route.

    Args:
        pairs: serves them.
        crucibles: what is known of crucibles.
    """

    def __init__(self, pairs: Pairs, crucibles: Crucibles) -> None:
        self._pairs, self._crucibles = pairs, crucibles

    async def __call__(self, ask: Ask) -> Answer:
        """The next pair.

        Raises:
            ProblemError: there is none for the asker; the code says why.
        """
        may_vote(ask.person)
        crucible = await self._crucibles.find(ask.given["id"])
        if not crucible.live:
            raise ProblemError("not_active")
        level = level_of(ask, crucible)
        if not level:
            raise ProblemError("level_not_allowed")
        pair = await self._pairs.next_pair(crucible.id, ask.user_id, level)
        if isinstance(pair, NoPair):
            raise ProblemError(_NOTHING[pair])
        return Answer(encode(pair))
