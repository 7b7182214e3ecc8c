"""What people do on the site, one transaction a scene, with the shapes that break naive consumers."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from demo.simulator.draft import Draft


class Fate(Enum):
    """How a scene's transaction ends."""

    COMMIT = "commit"
    ROLL_BACK = "roll back"


class Trend(Enum):
    """What a scene does to the number of rows; the simulator picks by it to stay within its bounds."""

    GROWS = "grows"
    LEVEL = "level"
    SHRINKS = "shrinks"


@dataclass(frozen=True, slots=True)
class Scene:
    """A kind of transaction."""

    play: Callable[[Draft], None]
    weight: int
    """How often, relative to the others."""
    trend: Trend = Trend.LEVEL
    fate: Fate = Fate.COMMIT

    @property
    def name(self) -> str:
        """Name of the scene in reports: that of its function."""
        return self.play.__name__


def enter(draft: Draft) -> None:
    """Somebody enters an image."""
    if crucible := draft.site.any_crucible(draft.rng):
        draft.enter(crucible)


def enter_many(draft: Draft) -> None:
    """One statement, several rows: their changes have one transaction and one commit time."""
    if crucible := draft.site.any_without_fee(draft.rng):
        draft.enter(crucible, draft.rng.randint(2, 20))


def copy_in(draft: Draft) -> None:
    """An import by COPY: hundreds of rows, neighbours of which may share a log position."""
    if crucible := draft.site.any_without_fee(draft.rng):
        draft.copy_in(crucible, draft.rng.randint(100, 400))


def withdraw(draft: Draft) -> None:
    """Somebody withdraws an entry."""
    if entry := draft.site.free_entry(draft.rng):
        draft.withdraw([entry])


def withdraw_many(draft: Draft) -> None:
    """A moderator removes several entries at once."""
    entries = {entry for _ in range(draft.rng.randint(2, 40)) if (entry := draft.site.free_entry(draft.rng))}
    draft.withdraw(sorted(entries))


def rescore(draft: Draft) -> None:
    """The site writes scores, positions and vote counts; none of it may echo into metrics."""
    if crucible := draft.site.free_crucible(draft.rng):
        draft.rescore(list(draft.site.entries_of[crucible])[:50])


def change_twice(draft: Draft) -> None:
    """Two updates of one row in one transaction: one commit time, two log positions."""
    entry, target = draft.site.free_entry(draft.rng), draft.site.any_crucible(draft.rng)
    if entry and target:
        draft.rescore([entry])
        draft.move(entry, target)


def come_and_go(draft: Draft) -> None:
    """Enter, be rescored and leave within one transaction: three changes, nothing left."""
    if crucible := draft.site.any_crucible(draft.rng):
        entries = draft.enter(crucible, 2)
        draft.rescore(entries)
        draft.withdraw(entries)


def move(draft: Draft) -> None:
    """An entry moves to another crucible."""
    entry, target = draft.site.free_entry(draft.rng), draft.site.any_crucible(draft.rng)
    if entry and target:
        draft.move(entry, target)


def hand_over(draft: Draft) -> None:
    """An entry passes to another user."""
    if entry := draft.site.free_entry(draft.rng):
        draft.hand_over(entry, draft.rng.choice(draft.site.users))


def rekey(draft: Draft) -> None:
    """An entry's primary key changes."""
    if entry := draft.site.free_entry(draft.rng):
        draft.rekey(entry)


def open_crucible(draft: Draft) -> None:
    """Somebody opens a crucible and enters it, in one transaction over both tables."""
    draft.enter(draft.open_crucible(), draft.rng.randint(1, 5))


def edit_crucible(draft: Draft) -> None:
    """The description grows, beyond a page and into TOAST."""
    if crucible := draft.site.free_crucible(draft.rng):
        draft.edit_crucible(crucible)


def hand_over_crucible(draft: Draft) -> None:
    """A crucible passes to another user."""
    if crucible := draft.site.free_crucible(draft.rng):
        draft.hand_over_crucible(crucible)


def rekey_crucible(draft: Draft) -> None:
    """A crucible's primary key changes, and its entries' reference with it."""
    crucible = draft.site.free_crucible(draft.rng)
    if crucible and not draft.site.is_spared(crucible):
        draft.rekey_crucible(crucible)


def delete_crucible(draft: Draft) -> None:
    """A crucible is deleted, and every entry of it by cascade."""
    crucible = draft.site.free_crucible(draft.rng)
    if crucible and not draft.site.is_spared(crucible):
        draft.delete_crucible(crucible)


def think_again(draft: Draft) -> None:
    """Part of a transaction is taken back, the rest committed."""
    if crucible := draft.site.any_crucible(draft.rng):
        draft.enter(crucible)
        kept = draft.mark()
        draft.savepoint()
        draft.enter(crucible, 5)
        draft.undo(kept)
        draft.enter(crucible)


def talk(draft: Draft) -> None:
    """Somebody comments on an image, others react. The watcher does not follow it, it looks it up."""
    draft.comment(draft.rng.randint(0, 6))


def pay_and_enter(draft: Draft) -> None:
    """The site takes the fee, and the entry names it; now and then in words only, or too little, or in other Buzz."""
    if not draft.site.fees:
        return
    crucible, fee = draft.rng.choice(sorted(draft.site.fees.items()))
    image = draft.rng.choice(draft.site.images)
    how = draft.rng.choices(("paid", "said", "part", "green"), (85, 5, 5, 5))[0]
    prefix: str | None = f"site-fee-{draft.rng.getrandbits(64):016x}-"
    if how != "said":
        prefix = draft.pay(
            image[1], max(1, fee // 2) if how == "part" else fee, "green" if how == "green" else "yellow"
        )
    if prefix:
        draft.enter_one(crucible, image, prefix=prefix)


def upload_and_enter(draft: Draft) -> None:
    """An image is entered as soon as it is uploaded, long before it is scanned."""
    if draft.till and (crucible := draft.site.any_crucible(draft.rng)):
        draft.enter_one(crucible, draft.upload())
        draft.site.expecting[crucible] = None


def scan(draft: Draft) -> None:
    """An image's scan is there; mostly it is fit to be seen."""
    if draft.till:
        draft.scan(*draft.rng.choices(SCANS, SCAN_WEIGHTS)[0])


def borrow(draft: Draft) -> None:
    """Somebody enters an image of somebody else."""
    if draft.till and (crucible := draft.site.any_crucible(draft.rng)):
        draft.enter_one(crucible, draft.rng.choice(draft.site.images), user=draft.rng.choice(draft.site.users))


def enter_out_of_time(draft: Draft) -> None:
    """An entry is dated before its crucible began, or after its end."""
    if draft.till and (crucible := draft.site.any_crucible(draft.rng)):
        draft.enter_one(crucible, draft.rng.choice(draft.site.images), hours=draft.rng.choice((-24, 24)))


def enter_twice(draft: Draft) -> None:
    """The same image is entered twice."""
    if draft.till and (crucible := draft.site.any_crucible(draft.rng)):
        image = draft.rng.choice(draft.site.images)
        draft.enter_one(crucible, image)
        draft.enter_one(crucible, image)


def change_rules(draft: Draft) -> None:
    """A crucible's rules change while it runs."""
    crucible = draft.site.free_crucible(draft.rng)
    if draft.till and crucible and not draft.site.is_spared(crucible):
        draft.change_rules(crucible)


def cancel_crucible(draft: Draft) -> None:
    """A crucible is called off while entries of it wait to be scanned."""
    for crucible in (*draft.site.expecting, draft.site.free_crucible(draft.rng) or draft.site.kept):
        if draft.till and crucible and not draft.site.is_spared(crucible) and crucible not in draft.site.pinned:
            draft.cancel_crucible(crucible)
            return


def end_crucible(draft: Draft) -> None:
    """A crucible's time is over; first of all that in which there is something to be won."""
    site = draft.site
    free = [one for one in site.crucibles if one != site.kept and one not in site.pinned]
    if draft.till and free:
        draft.end_crucible(min(free, key=lambda one: (one != site.contest, one not in site.fees, one)))


def end_without_entries(draft: Draft) -> None:
    """A crucible is opened, and over before anybody enters."""
    if draft.till:
        draft.end_crucible(draft.open_crucible())


def discuss(draft: Draft) -> None:
    """People talk about the first crucible."""
    if draft.till and draft.site.kept:
        draft.discuss(draft.site.kept)


def hiccup(draft: Draft) -> None:
    """The Buzz service fails once, mostly after it has done what it was asked for."""
    if draft.till:
        draft.till.hiccup(draft.rng.choice(("500_after", "close_after", "hollow", "503", "garbage")))


def fail(draft: Draft) -> None:
    """A transaction that changes a bit of everything and is rolled back."""
    if crucible := draft.site.free_crucible(draft.rng):
        draft.enter(draft.open_crucible(), 3)
        draft.copy_in(crucible, 50)
        draft.delete_crucible(crucible)


SCANS = (("Scanned", 1), ("Scanned", 2), ("Scanned", 16), ("Rescan", 1), ("Error", 0), ("Blocked", 32, "moderated"))
"""What a scan finds: ingestion, level, and why it is blocked."""
SCAN_WEIGHTS = (60, 15, 10, 5, 5, 5)
SCENES = (
    Scene(enter, 300, Trend.GROWS),
    Scene(enter_many, 60, Trend.GROWS),
    Scene(copy_in, 4, Trend.GROWS),
    Scene(withdraw, 150, Trend.SHRINKS),
    Scene(withdraw_many, 20, Trend.SHRINKS),
    Scene(rescore, 20),
    Scene(change_twice, 40),
    Scene(come_and_go, 30),
    Scene(move, 40),
    Scene(hand_over, 20),
    Scene(rekey, 20),
    Scene(open_crucible, 16, Trend.GROWS),
    Scene(edit_crucible, 20),
    Scene(hand_over_crucible, 10),
    Scene(rekey_crucible, 2),
    Scene(delete_crucible, 12, Trend.SHRINKS),
    Scene(think_again, 20, Trend.GROWS),
    Scene(talk, 30),
    Scene(pay_and_enter, 50, Trend.GROWS),
    Scene(upload_and_enter, 20, Trend.GROWS),
    Scene(scan, 40),
    Scene(borrow, 10, Trend.GROWS),
    Scene(enter_out_of_time, 10, Trend.GROWS),
    Scene(enter_twice, 10, Trend.GROWS),
    Scene(change_rules, 10),
    Scene(cancel_crucible, 4, Trend.SHRINKS),
    Scene(end_crucible, 4, Trend.SHRINKS),
    Scene(end_without_entries, 2),
    Scene(discuss, 10),
    Scene(hiccup, 4),
    Scene(fail, 20, fate=Fate.ROLL_BACK),
)
CERTAIN = tuple(
    (share, Scene(play, 0))
    for share, play in ((0.15, end_without_entries), (0.4, cancel_crucible), (0.75, end_crucible))
)
"""What happens in every run, however short: after which share of it, and what."""
