"""A transaction that stays open while others commit, so that commits come in another order than their changes."""

from dataclasses import dataclass

from demo.simulator.draft import Draft
from demo.simulator.scenes import Fate


@dataclass(slots=True)
class OpenTransaction:
    """Works on one crucible, which it pins until it ends."""

    draft: Draft
    crucible: int
    statements_left: int
    fate: Fate

    def __post_init__(self) -> None:
        self.draft.site.pinned.add(self.crucible)
        self.advance()

    def advance(self) -> None:
        """Run one more statement on the crucible, chosen at random, inside the transaction."""
        self.statements_left -= 1
        draft, crucible = self.draft, self.crucible
        standing = list(draft.site.entries_of.get(crucible, ()))
        deed = draft.rng.choice(("enter", "copy", "edit", "rescore", "withdraw"))
        if deed == "edit":
            draft.edit_crucible(crucible)
        elif deed == "copy" and crucible not in draft.site.fees:
            draft.copy_in(crucible, draft.rng.randint(5, 40))
        elif deed in {"enter", "copy"} or not standing:
            draft.enter(crucible, draft.rng.randint(1, 5))
        elif deed == "rescore":
            draft.rescore([draft.rng.choice(standing)])
        else:
            draft.withdraw([draft.rng.choice(standing)])

    def end(self) -> int:
        """Commit or roll back as fate has it, let go of the crucible; rows changed for good."""
        try:
            if self.fate is Fate.COMMIT:
                return self.draft.commit()
            self.draft.roll_back()
            return 0
        finally:
            self.draft.site.pinned.discard(self.crucible)
