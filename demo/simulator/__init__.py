"""A small site that never stops: users open crucibles and enter, move and withdraw images.

It writes to PostgreSQL and knows nothing of the watcher. What it committed is counted by Postgres, not by it: see
``change_log``.
"""

from demo.simulator.simulator import Bounds, PlayedTally, Simulator

__all__ = ["Bounds", "PlayedTally", "Simulator"]
