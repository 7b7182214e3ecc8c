"""``crucible outbox`` and ``crucible entries``: what is to be done outside, and which entries take part."""

import json

from tests.settlement.endings import Endings
from tests.settlement.test_settle_command import Crucible
from tests.stack.faults import arm


def test_what_is_parked_is_listed_shown_and_redriven(endings: Endings, command: Crucible) -> None:
    crucible, user = endings.crucible(), endings.rich()
    endings.enter(crucible, [user])
    endings.end(crucible)
    endings.turn()
    arm(endings.service, {"kind": "drop_leg", "path": "/transactions"})
    endings.pay()

    listed = command("outbox", "list", "--state", "parked")
    (row,) = json.loads(command("outbox", "list", "--state", "parked", "--json").stdout)
    shown = command("outbox", "show", row["id"])
    redriven = command("outbox", "redrive", "--id", row["id"], "--json")
    endings.go_on()

    assert "parked rows wait for you" in listed.stderr
    assert (row["kind"], row["key"].startswith(f"crucible-prize-{crucible}-")) == ("prize", True)
    assert f"crucible outbox redrive --id {row['id']}" in shown.stderr
    assert json.loads(redriven.stdout) == {"parked": [row["id"]], "redriven": [row["id"]]}
    again = command("outbox", "redrive", "--id", row["id"])
    assert (again.returncode, "not there or not parked" in again.stderr) == (1, True), again.stderr
    assert command("outbox", "list", "--channel", "buz").returncode == 2
    assert (endings.state(crucible), endings.holds(user)) == ("done", 950)


def test_entries_are_listed_and_shown_with_their_reasons(endings: Endings, command: Crucible) -> None:
    crucible = endings.crucible()
    (admitted,) = endings.enter(crucible, [None])
    rejected = endings.site.enter(crucible, endings.rich(), endings.site.image(1, 1))
    endings.site.decide()

    told = json.loads(command("entries", "list", crucible, "--json").stdout)
    shown = command("entries", "show", rejected)

    assert {one["entry_id"]: one["verdict"] for one in told["entries"]} == {admitted: "admitted", rejected: "rejected"}
    assert "pool 100 Buzz" in command("entries", "list", crucible).stderr
    assert "does `crucible run --role watch` run?" in command("entries", "list", 2**31 - 1).stderr
    assert "not_image_owner: The image belongs to somebody else." in shown.stdout
