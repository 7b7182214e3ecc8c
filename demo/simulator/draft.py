"""One transaction in the making: statements, and what to believe once it is committed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random

from demo.pictures.picture import shape
from demo.simulator.house_rules import PLAIN, PRIZES, HouseRules, any_change, any_rules
from demo.simulator.people import WORDS
from demo.simulator.site import Connection, Site
from demo.simulator.till import Till

INSERT_ENTRIES = (
    'INSERT INTO "CrucibleEntry" ("crucibleId", "userId", "imageId") '
    "SELECT * FROM unnest(%s::int[], %s::int[], %s::int[]) RETURNING id"
)
INSERT_ONE = (
    'INSERT INTO "CrucibleEntry" ("crucibleId", "userId", "imageId", "buzzTransactionId", "createdAt") '
    "VALUES (%s, %s, %s, %s, now() + make_interval(hours => %s)) RETURNING id"
)
INSERT_CRUCIBLE = (
    'INSERT INTO "Crucible" ("userId", name, "nsfwLevel", "entryFee", "entryLimit", "maxTotalEntries", '
    '"allowedResources", "prizePositions", status, "startAt", "endAt", "updatedAt") '
    "VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb, %s::jsonb, 'Active', now(), now() + interval '8 hours', now()) "
    "RETURNING id"
)
UPLOAD = (
    'INSERT INTO "Image" ("userId", url, width, height, ingestion, "updatedAt") '
    "VALUES (%s, %s, %s, %s, 'Pending', now()) RETURNING id"
)
SCAN = (
    'UPDATE "Image" SET ingestion = %s::"ImageIngestionStatus", "nsfwLevel" = %s, "blockedFor" = %s, '
    "\"updatedAt\" = now() WHERE id = (SELECT i.id FROM \"Image\" i WHERE i.ingestion IN ('Pending', 'Rescan') "
    "ORDER BY i.id DESC LIMIT 1 OFFSET %s) RETURNING id"
)
DISCUSSION = 'INSERT INTO "Thread" ("crucibleId") VALUES (%s) ON CONFLICT ("crucibleId") DO NOTHING'
DISCUSS = (
    'INSERT INTO "CommentV2" (content, "userId", "threadId", "updatedAt") '
    'SELECT %s, %s, id, now() FROM "Thread" WHERE "crucibleId" = %s'
)
COMMENT = (
    'INSERT INTO "CommentV2" (content, "userId", "threadId", "updatedAt") '
    'SELECT %s, %s, id, now() FROM "Thread" WHERE "imageId" = %s RETURNING id'
)
REACT = (
    'INSERT INTO "CommentV2Reaction" ("commentId", "userId", reaction, "updatedAt") '
    "SELECT %s, unnest(%s::int[]), 'Like', now()"
)


@dataclass(slots=True)
class Draft:
    """A transaction on one connection. Nothing is believed before ``commit``."""

    connection: Connection
    site: Site
    rng: Random
    till: Till | None = None
    """The Buzz service; None: this site has none, every crucible is free, and has no rules to speak of."""
    changes: int = 0
    """Rows changed so far, cascades included as far as they were foreseen."""
    _beliefs: list[Callable[[], None]] = field(default_factory=list)
    _regrets: list[Callable[[], None]] = field(default_factory=list)
    """What is done elsewhere, and has to be undone there if this comes to nothing."""

    def enter(self, crucible: int, count: int = 1) -> list[int]:
        """Insert ``count`` entries with one statement; their ids."""
        chosen = [self.rng.choice(self.site.images) for _ in range(count)]
        rows = self.connection.execute(
            INSERT_ENTRIES, ([crucible] * count, [owner for _, owner in chosen], [image for image, _ in chosen])
        ).fetchall()
        self._entered([entry for (entry,) in rows], crucible)
        return [entry for (entry,) in rows]

    def copy_in(self, crucible: int, count: int) -> None:
        """Insert ``count`` entries with COPY. The ids are drawn first, for COPY returns none."""
        ids = self.connection.execute(
            "SELECT nextval(pg_get_serial_sequence('\"CrucibleEntry\"', 'id'))::int FROM generate_series(1, %s)",
            (count,),
        ).fetchall()
        statement = 'COPY "CrucibleEntry" (id, "crucibleId", "userId", "imageId") FROM STDIN'
        with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            for (entry,) in ids:
                image, owner = self.rng.choice(self.site.images)
                copy.write_row((entry, crucible, owner, image))
        self._entered([entry for (entry,) in ids], crucible)

    def withdraw(self, entries: Sequence[int]) -> None:
        """Delete entries with one statement."""
        self._run('DELETE FROM "CrucibleEntry" WHERE id = ANY(%s)', (list(entries),))
        self._beliefs.append(partial(self.site.withdrawn, tuple(entries)))

    def move(self, entry: int, crucible: int) -> None:
        """Put an entry into another crucible."""
        self._run('UPDATE "CrucibleEntry" SET "crucibleId" = %s WHERE id = %s', (crucible, entry))
        self._beliefs.append(partial(self.site.entered, entry, crucible))

    def hand_over(self, entry: int, user: int) -> None:
        """Make another user the entrant."""
        self._run('UPDATE "CrucibleEntry" SET "userId" = %s WHERE id = %s', (user, entry))

    def rescore(self, entries: Sequence[int]) -> None:
        """Write what a settlement writes: score, position and vote count. Nothing of it is an entry's metric."""
        self._run(
            'UPDATE "CrucibleEntry" SET score = %s + id %% 100, position = id %% 7, "voteCount" = "voteCount" + 1 '
            "WHERE id = ANY(%s)",
            (self.rng.randint(1300, 1700), list(entries)),
        )

    def rekey(self, entry: int) -> None:
        """Give an entry another primary key: a delete and an insert in the stream."""
        rows = self.connection.execute(
            "UPDATE \"CrucibleEntry\" SET id = nextval(pg_get_serial_sequence('\"CrucibleEntry\"', 'id')) "
            'WHERE id = %s RETURNING id, "crucibleId"',
            (entry,),
        ).fetchall()
        for new, crucible in rows:
            self.changes += 2
            self._beliefs += [partial(self.site.withdrawn, (entry,)), partial(self.site.entered, new, crucible)]

    def enter_one(
        self, crucible: int, image: tuple[int, int], user: int | None = None, prefix: str | None = None, hours: int = 0
    ) -> int:
        """Insert one entry that is special in some way.

        Args:
            crucible: where to.
            image: image and its owner.
            user: the entrant, if another than the owner.
            prefix: under which the site took the fee.
            hours: how much later than now it is dated; negative: earlier.
        """
        number, owner = image
        rows = self.connection.execute(INSERT_ONE, (crucible, user or owner, number, prefix, hours)).fetchall()
        self._entered([rows[0][0]], crucible)
        return rows[0][0]

    def pay(self, user: int, amount: int, kind: str = "yellow") -> str | None:
        """Have the site take a fee, given back if the transaction comes to nothing; its prefix, None if it failed."""
        prefix = f"site-fee-{self.rng.getrandbits(64):016x}-"
        if self.till is None or not self.till.charge(user, amount, prefix, kind):
            return None
        self._regrets.append(partial(self.till.give_back, prefix))
        return prefix

    def upload(self) -> tuple[int, int]:
        """Insert an image that nobody has scanned yet; image and owner."""
        owner, url = self.rng.choice(self.site.users), f"late-{self.rng.getrandbits(48)}"
        rows = self.connection.execute(UPLOAD, (owner, url, *shape(url))).fetchall()
        image = rows[0][0], owner
        self._beliefs.append(partial(self.site.images.append, image))
        return image

    def scan(self, ingestion: str, level: int, blocked_for: str | None = None) -> None:
        """Write what the scan of an image found; one of those that were uploaded last."""
        self.connection.execute(SCAN, (ingestion, level, blocked_for, self.rng.randrange(6)))

    def discuss(self, crucible: int) -> None:
        """Say something about a crucible."""
        self.connection.execute(DISCUSSION, (crucible,))
        text, user = f"<p>{self.rng.choice(WORDS)}</p>", self.rng.choice(self.site.users)
        self.connection.execute(DISCUSS, (text, user, crucible))

    def open_crucible(self, rules: HouseRules | None = None) -> int:
        """Insert a crucible; its id."""
        name = f"Crucible of {self.rng.choice(('light', 'fog', 'rust', 'salt', 'ember'))} {self.rng.randrange(10_000)}"
        said = rules or (any_rules(self.rng) if self.till else PLAIN)
        columns = (said.level, said.fee, said.limit, said.most, said.resources)
        user = self.rng.choice(self.site.users)
        prizes = self.rng.choice(PRIZES) if self.till else PRIZES[0]
        rows = self.connection.execute(INSERT_CRUCIBLE, (user, name, *columns, prizes)).fetchall()
        crucible = rows[0][0]
        self.changes += 1
        self._beliefs.append(partial(self.site.opened, crucible, said.fee))
        return crucible

    def change_rules(self, crucible: int) -> None:
        """Change what a crucible says of entering it."""
        column, value = any_change(self.rng)
        if column == "entryFee" and crucible not in self.site.fees:
            return  # hundreds who came for nothing would have to pay, one by one
        kind = "jsonb" if column == "allowedResources" else "int"
        self._run(
            f'UPDATE "Crucible" SET "{column}" = %s::{kind}, "updatedAt" = now() WHERE id = %s',  # noqa: S608 - ours
            (value, crucible),
        )
        if column == "entryFee" and isinstance(value, int):
            self._beliefs.append(partial(self.site.costs, crucible, value))

    def end_crucible(self, crucible: int) -> None:
        """Bring a crucible's end forward; whose entries it has then, it has for good."""
        self._run('UPDATE "Crucible" SET "endAt" = now() + interval \'1 second\' WHERE id = %s', (crucible,))
        self._beliefs.append(partial(self.site.closed, crucible))

    def cancel_crucible(self, crucible: int) -> None:
        """Call a crucible off."""
        self._run('UPDATE "Crucible" SET status = \'Cancelled\', "updatedAt" = now() WHERE id = %s', (crucible,))
        self._beliefs.append(partial(self.site.closed, crucible))

    def edit_crucible(self, crucible: int) -> None:
        """Change what no count depends on."""
        self._run(
            'UPDATE "Crucible" SET description = %s, "endAt" = "endAt" + interval \'1 minute\', "updatedAt" = now() '
            "WHERE id = %s",
            ("edited " * self.rng.randint(1, 400), crucible),
        )

    def hand_over_crucible(self, crucible: int) -> None:
        """Make another user the creator."""
        self._run(
            'UPDATE "Crucible" SET "userId" = %s, "updatedAt" = now() WHERE id = %s',
            (self.rng.choice(self.site.users), crucible),
        )

    def rekey_crucible(self, crucible: int) -> None:
        """Give a crucible another primary key; its entries follow by cascade."""
        rows = self.connection.execute(
            "UPDATE \"Crucible\" SET id = nextval(pg_get_serial_sequence('\"Crucible\"', 'id')) "
            "WHERE id = %s RETURNING id",
            (crucible,),
        ).fetchall()
        entries = tuple(self.site.entries_of.get(crucible, ()))
        for (new,) in rows:
            self.changes += 2 + len(entries)
            fee = self.site.fees.get(crucible, 0)
            self._beliefs += [partial(self.site.closed, crucible), partial(self.site.opened, new, fee)]
            self._beliefs += [partial(self.site.entered, entry, new) for entry in entries]

    def delete_crucible(self, crucible: int) -> None:
        """Delete a crucible; its entries follow by cascade."""
        self.changes += len(self.site.entries_of.get(crucible, ()))
        self._run('DELETE FROM "Crucible" WHERE id = %s', (crucible,))
        self._beliefs.append(partial(self.site.closed, crucible))

    def comment(self, reactions: int) -> None:
        """Comment on an image that has a thread; some others like it."""
        image, _ = self.rng.choice(self.site.images)
        text = f"<p>{self.rng.choice(WORDS)}</p>"
        for (comment,) in self.connection.execute(COMMENT, (text, self.rng.choice(self.site.users), image)).fetchall():
            self.connection.execute(REACT, (comment, self.rng.sample(self.site.users, reactions)))

    def savepoint(self) -> None:
        """Begin what ``undo`` takes back."""
        self.connection.execute("SAVEPOINT second_thoughts")

    def undo(self, kept: tuple[int, int]) -> None:
        """Take back what was done since ``mark``."""
        self.connection.execute("ROLLBACK TO SAVEPOINT second_thoughts")
        self.changes, beliefs = kept
        del self._beliefs[beliefs:]

    def mark(self) -> tuple[int, int]:
        """Return where ``undo`` goes back to."""
        return self.changes, len(self._beliefs)

    def commit(self) -> int:
        """Commit, believe, and say how many rows were changed."""
        self.connection.commit()
        self._regrets.clear()
        for believe in self._beliefs:
            believe()
        return self.changes

    def roll_back(self) -> None:
        """Take everything back: nothing of it happened, here or elsewhere."""
        self.connection.rollback()
        while self._regrets:
            self._regrets.pop()()

    def _entered(self, entries: Sequence[int], crucible: int) -> None:
        self.changes += len(entries)
        self._beliefs += [partial(self.site.entered, entry, crucible) for entry in entries]

    def _run(self, statement: str, parameters: tuple[object, ...]) -> None:
        self.changes += max(0, self.connection.execute(statement, parameters).rowcount)
