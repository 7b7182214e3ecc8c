"""What the simulator believes the site to hold, so that it need not ask before each click.

A belief may be out of date (another simulator, a cascade): a statement that then touches no row, or that a foreign key
refuses, is harmless, and the truth is the change log's.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

import psycopg

from demo.simulator.bag import Bag

Connection = psycopg.Connection[tuple[int, ...]]
"""All that the simulator reads from Postgres are numbers."""

USERS = "SELECT id FROM \"User\" WHERE username LIKE 'user-%' ORDER BY id"
"""The visitor is not among them: somebody who owns nothing may judge everything."""
OPEN = """
SELECT id, "entryFee" FROM "Crucible" WHERE status = 'Active' AND "endAt" > now() + interval '1 minute' ORDER BY id
"""
"""Whose end was brought forward is left alone, also while its result is still to come."""


@dataclass(slots=True)
class Site:
    """Ids of what is alive, and which crucibles an open transaction has its hands on."""

    users: list[int] = field(default_factory=list)
    images: list[tuple[int, int]] = field(default_factory=list)
    """Image and its owner."""
    crucibles: Bag = field(default_factory=Bag)
    entries: Bag = field(default_factory=Bag)
    crucible_of: dict[int, int] = field(default_factory=dict)
    entries_of: dict[int, Bag] = field(default_factory=dict)
    pinned: set[int] = field(default_factory=set)
    """Crucibles whose rows an open transaction may have locked. Another one adds entries at most, else the simulator,
    which has one thread, would wait for itself."""
    fees: dict[int, int] = field(default_factory=dict)
    """Crucible -> its entry fee, of those that have one."""
    expecting: dict[int, None] = field(default_factory=dict)
    """Crucibles that were entered with an image which was not scanned then, in that order."""
    kept: int | None = None
    """The crucible that is neither deleted nor given another id, so that its address holds for the whole run."""
    contest: int | None = None
    """Another one that nothing happens to until it ends, so that there is something to be won."""

    @classmethod
    def of(cls, connection: Connection) -> "Site":
        """Return the site as its tables show it now."""
        site = cls()
        with connection.transaction(), connection.cursor() as cursor:
            site.users = [one for (one,) in cursor.execute(USERS)]
            site.images = [
                (image, owner) for image, owner in cursor.execute('SELECT id, "userId" FROM "Image" ORDER BY id')
            ]
            for crucible, fee in cursor.execute(OPEN):
                site.opened(crucible, fee)
            for entry, crucible in cursor.execute('SELECT id, "crucibleId" FROM "CrucibleEntry" ORDER BY id'):
                if crucible in site.crucibles:
                    site.entered(entry, crucible)
        return site

    def opened(self, crucible: int, fee: int = 0) -> None:
        """Note that a crucible is there, and takes entries for a fee."""
        self.crucibles.add(crucible)
        self.entries_of.setdefault(crucible, Bag())
        self.costs(crucible, fee)

    def costs(self, crucible: int, fee: int) -> None:
        """Note that entering a crucible costs so much from now on."""
        self.fees.pop(crucible, None)
        if fee > 0:
            self.fees[crucible] = fee

    def closed(self, crucible: int) -> None:
        """Note that a crucible is gone or over, and nobody touches its entries any more."""
        self.fees.pop(crucible, None)
        self.expecting.pop(crucible, None)
        self.crucibles.discard(crucible)
        self.withdrawn(tuple(self.entries_of.get(crucible, ())))
        self.entries_of.pop(crucible, None)

    def entered(self, entry: int, crucible: int) -> None:
        """Note that an entry stands in a crucible, wherever it stood before."""
        self.withdrawn((entry,))
        self.entries.add(entry)
        self.crucible_of[entry] = crucible
        self.entries_of.setdefault(crucible, Bag()).add(entry)

    def withdrawn(self, entries: Iterable[int]) -> None:
        """Note that entries are gone, from wherever they stood."""
        for entry in entries:
            self.entries.discard(entry)
            crucible = self.crucible_of.pop(entry, None)
            if crucible is not None and crucible in self.entries_of:
                self.entries_of[crucible].discard(entry)

    def is_spared(self, crucible: int) -> bool:
        """Tell whether nothing is to happen to a crucible."""
        return crucible in {self.kept, self.contest}

    def any_crucible(self, rng: Random) -> int | None:
        """Return a crucible to enter."""
        return self.crucibles.draw(rng)

    def any_without_fee(self, rng: Random) -> int | None:
        """Return a crucible to enter by the hundred, or None after a few tries: fees are collected one by one."""
        for _ in range(16):
            crucible = self.crucibles.draw(rng)
            if crucible not in self.fees:
                return crucible
        return None

    def free_crucible(self, rng: Random) -> int | None:
        """Return a crucible that nobody has locked, or None after a few tries."""
        for _ in range(16):
            crucible = self.crucibles.draw(rng)
            if crucible is not None and crucible not in self.pinned:
                return crucible
        return None

    def free_entry(self, rng: Random) -> int | None:
        """Return an entry of a crucible that nobody has locked, or None after a few tries."""
        for _ in range(16):
            entry = self.entries.draw(rng)
            if entry is not None and self.crucible_of[entry] not in self.pinned:
                return entry
        return None
