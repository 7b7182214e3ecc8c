"""``crucible reconcile --fix`` that sees nothing of what others decide: ``python -m tests.reconcile.whole.blind``.

Two such runs at once decide the same. What keeps them from counting it twice is the identity of what they write; with
the argument ``random`` each has its own.
"""

import os
import sys
from collections.abc import Sequence

from watcher.cli import main
from watcher.model import repair as repair_rows
from watcher.postgres.own import repair
from watcher.reconcile.repairs.confirmed import Confirmed
from watcher.reconcile.repairs.repairer import Mended, Repairer
from watcher.reconcile.rows.differences import Difference

_looked = Repairer.looked
_seen: dict[tuple[int, ...], Confirmed] = {}


def _looked_once(repairer: Repairer, found: Sequence[Difference]) -> Confirmed:
    """Look before it is decided, and not once more before it is written."""
    keys = tuple(one.key for one in found)
    if keys not in _seen:
        there = _looked(repairer, found)
        _seen[tuple(one.key for one in there.real)] = there
        return there
    return _seen[keys]


_mend = Repairer.mend
_mended: list[Mended] = []


def _mend_once(repairer: Repairer, found: Sequence[Difference]) -> Mended:
    """Put right what was found, and not what the other run has made of it, which a second comparison finds."""
    if _mended:
        return Mended({}, {})
    _mended.append(_mend(repairer, found))
    return _mended[0]


if __name__ == "__main__":
    repair.open_repairs = lambda *_: []
    Repairer.looked = _looked_once  # type: ignore[method-assign]
    Repairer.mend = _mend_once  # type: ignore[method-assign]
    Repairer._earlier = lambda *_: {}  # type: ignore[method-assign]
    if "random" in sys.argv[1:]:
        repair_rows.identity = lambda *_: os.urandom(16)
    sys.argv[1:] = ["reconcile", "--fix", "--table", "CrucibleEntry"]
    main()
