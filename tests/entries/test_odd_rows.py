"""Rows that the site should not have written: each entry is decided all the same, and none holds up another."""

from typing import Any

from tests.entries.site import Site

HUGE, DEEP = "9" * 5_000, "[" * 5_000 + "]" * 5_000
CRUCIBLES: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "nothing odd": ({}, "admitted", []),
    "no resources": ({"allowedResources": "[]"}, "admitted", []),
    "null for resources": ({"allowedResources": "null"}, "admitted", []),
    "the same resource twice": ({"allowedResources": "[1, 1]"}, "rejected", ["no_resources_detected"]),
    "a resource beyond all ids": ({"allowedResources": f"[{HUGE}]"}, "rejected", ["rule_unreadable"]),
    "a resource with an exponent": ({"allowedResources": "[1e400]"}, "rejected", ["no_resources_detected"]),
    "a resource with a fraction": ({"allowedResources": "[1.5]"}, "rejected", ["rule_unreadable"]),
    "a resource below nothing": ({"allowedResources": "[-1]"}, "rejected", ["no_resources_detected"]),
    "resources without end": ({"allowedResources": DEEP}, "rejected", ["rule_unreadable"]),
    "many resources": ({"allowedResources": str(list(range(100_000)))}, "rejected", ["no_resources_detected"]),
    "nobody's entries": ({"entryLimit": 0}, "rejected", ["user_limit"]),
    "entries below nothing": ({"entryLimit": -1}, "rejected", ["user_limit"]),
    "all entries": ({"entryLimit": 2**31 - 1, "maxTotalEntries": 2**31 - 1}, "admitted", []),
    "no places": ({"maxTotalEntries": 0}, "rejected", ["total_limit"]),
    "places below nothing": ({"maxTotalEntries": -(2**31)}, "rejected", ["total_limit"]),
    "a fee below nothing": ({"entryFee": -(2**31)}, "admitted", []),
    "a fee of all there is": ({"entryFee": 2**31 - 1}, "rejected", ["insufficient_funds"]),
    "no levels": ({"nsfwLevel": 0}, "rejected", ["level_not_allowed"]),
    "levels below nothing": ({"nsfwLevel": -1}, "admitted", []),
    "a level for the blocked alone": ({"nsfwLevel": 32}, "rejected", ["level_not_allowed"]),
    "a beginning that never comes": ({"startAt": "infinity"}, "rejected", ["not_started"]),
    "a beginning before all time": ({"startAt": "-infinity"}, "admitted", []),
    "an end before all time": ({"endAt": "-infinity"}, "rejected", ["ended"]),
    "an end that never comes": ({"endAt": "infinity"}, "admitted", []),
    "an end far away": ({"endAt": "200000-01-01"}, "admitted", []),
    "a beginning long ago": ({"startAt": "0044-03-15 BC"}, "admitted", []),
    "a name of characters that nobody prints": ({"name": "\u202e\x01\U0010ffff"}, "admitted", []),
    "prizes without end": ({"prizePositions": DEEP}, "admitted", []),
}


IMAGES: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "no level": ({"nsfwLevel": 0}, "waiting", ["image_not_scanned"]),
    "a level that nobody knows": ({"nsfwLevel": 64}, "rejected", ["level_not_allowed"]),
    "a level below all": ({"nsfwLevel": -(2**31)}, "rejected", ["level_not_allowed"]),
    "every level": ({"nsfwLevel": 2**31 - 1}, "rejected", ["image_blocked"]),
    "blocked for nothing": ({"blockedFor": ""}, "rejected", ["image_blocked"]),
    "scanned once more": ({"ingestion": "Rescan"}, "waiting", ["image_not_scanned"]),
    "not found": ({"ingestion": "NotFound"}, "rejected", ["image_not_scannable"]),
}
PAYMENTS = (" ", "-", "%", "a" * 5_000, "\u202e", "x\ty", "'; DROP TABLE", "../..", "?a=b&c#d", "\U0010ffff")
"""What may stand where the site writes under which prefix it took a fee."""


def test_odd_rows_are_decided(site: Site) -> None:
    """Crucibles, images, times and payments; of each other they know nothing."""
    due: dict[str, tuple[int, str, list[str]]] = {}
    for name, (columns, verdict, reasons) in CRUCIBLES.items():
        due[name] = site.enter(site.crucible(**columns)), verdict, reasons
    for name, (columns, verdict, reasons) in IMAGES.items():
        due[name] = entry, *_ = site.enter(site.crucible()), verdict, reasons
        for column, value in columns.items():
            image = 'SELECT "imageId" FROM "CrucibleEntry" WHERE id = %s'
            site.run(f'UPDATE "Image" SET "{column}" = %s WHERE id = ({image})', value, entry)  # noqa: S608
    for made in ("infinity", "-infinity"):
        entry = site.enter(site.crucible(startAt="2020-01-01", endAt="2030-01-01"), createdAt=made)
        due[f"made {made}"] = entry, "rejected", ["ended" if made == "infinity" else "not_started"]
    for prefix in PAYMENTS:
        due[prefix] = site.enter(site.crucible(entryFee=1), buzzTransactionId=prefix), "rejected", ["unpaid"]
    due["no prefix"] = site.enter(site.crucible(entryFee=1), buzzTransactionId=""), "rejected", ["insufficient_funds"]

    site.decide()
    site.settle()

    found = {name: site.verdict(entry) for name, (entry, _, _) in due.items()}
    assert found == {name: (verdict, reasons, 0) for name, (_, verdict, reasons) in due.items()}
