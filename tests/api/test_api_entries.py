"""What entrants ask: whether an image would be admitted and what it would cost, and how their own entries stand."""

import json
from typing import Any

import httpx
import pytest

from tests.api.site import Api, Contest, Site, bearer
from watcher.model.entry_verdict import SENTENCES, EntryReason

VERDICT = """
INSERT INTO crucible_watcher.entry_verdict
       (entry_id, crucible_id, user_id, image_id, verdict, reasons, fee, entered_at, waiting_since)
VALUES (%s, %s, %s, %s, %s, %s, %s, now(), %s)
"""
NO_BODIES = (
    b"", b"{", b"[]", b"{}", b"\xff", b'{"imageId": "7"}', b'{"imageId": 0}', b'{"imageId": 7.5}', b'{"imageId": null}',
    b'{"imageId": true}', b'{"imageId": 2147483648}', b'{"imageId": 7, "userId": 8}',
)  # fmt: skip
ALLOWED = json.dumps([7, 8])


def ask(api: Api, contest: Contest, user: int, image: int, **claims: Any) -> httpx.Response:
    return api.client.post(f"{contest.path}/entries/check", json={"imageId": image}, headers=bearer(user, **claims))


def check(api: Api, contest: Contest, user: int, image: int) -> dict[str, Any]:
    answer = ask(api, contest, user, image)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def codes(told: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in told["reasons"]]


def decided(site: Site, contest: Contest, verdict: str, *reasons: str, fee: int = 0, user: int | None = None) -> int:
    """An entry with a verdict, as the watch role writes it."""
    entry = site.entry(contest, user=user)
    since = "2026-01-02 03:04:05.678+00" if verdict == "waiting" else None
    row = (entry, contest.id, contest.owners[-1], contest.images[-1], verdict, list(reasons), fee, since)
    site.postgres.execute(VERDICT, row)
    return entry


def with_resources(site: Site, image: int, *versions: int) -> int:
    for version in versions:
        site.postgres.execute(
            "INSERT INTO \"ModelVersion\" (id, name) VALUES (%s, 'm') ON CONFLICT DO NOTHING", (version,)
        )
        site.postgres.execute(
            'INSERT INTO "ImageResourceNew" ("imageId", "modelVersionId") VALUES (%s, %s)', (image, version)
        )
    return image


def test_an_image_that_would_be_admitted(api: Api, site: Site) -> None:
    """No reasons, and the crucible's fee; and nothing is entered, decided or asked for."""
    contest, user = site.contest(entries=0, entryFee=100), site.user()
    image = site.image(user)

    told = check(api, contest, user, image)

    assert told == {
        "admitted": True, "verdict": "admitted", "reasons": [], "fee": {"amount": 100, "currency": "yellow"},
    }  # fmt: skip
    assert site.one('SELECT count(*) FROM "CrucibleEntry" WHERE "crucibleId" = %s', contest.id) == 0
    for table in ("entry_verdict", "entry_fee"):
        assert site.one(f"SELECT count(*) FROM crucible_watcher.{table} WHERE crucible_id = %s", contest.id) == 0  # noqa: S608


@pytest.mark.parametrize(
    ("crucible", "image", "verdict", "reasons"),
    [
        ({"status": "Cancelled"}, {}, "rejected", ["crucible_not_active"]),
        ({"startAt": "2200-01-01"}, {}, "rejected", ["not_started"]),
        ({"endAt": "2020-01-01"}, {}, "rejected", ["ended"]),
        ({"endAt": "infinity"}, {}, "admitted", []),
        ({"maxTotalEntries": 0}, {}, "rejected", ["total_limit"]),
        ({"nsfwLevel": 1}, {"nsfwLevel": 16}, "rejected", ["level_not_allowed"]),
        ({}, {"ingestion": "Pending", "nsfwLevel": 0}, "waiting", ["image_not_scanned"]),
        ({}, {"ingestion": "Error"}, "rejected", ["image_not_scannable"]),
        ({}, {"blockedFor": "reasons"}, "rejected", ["image_blocked"]),
        ({"allowedResources": ALLOWED}, {}, "rejected", ["no_resources_detected"]),
        ({"allowedResources": '"nonsense"'}, {}, "rejected", ["rule_unreadable"]),
        (
            {"status": "Cancelled", "nsfwLevel": 1, "endAt": "2020-01-01"},
            {"nsfwLevel": 16},
            "rejected",
            ["crucible_not_active", "ended", "level_not_allowed"],
        ),
    ],
)
def test_each_rule_reaches_the_answer(
    api: Api, site: Site, crucible: dict[str, Any], image: dict[str, Any], verdict: str, reasons: list[str]
) -> None:
    """200 with a code and a sentence for every rule that is broken, all at once."""
    level = {"level": crucible.pop("nsfwLevel")} if "nsfwLevel" in crucible else {}
    contest, user = site.contest(entries=0, **level, **crucible), site.user()

    told = check(api, contest, user, site.image(user, **image))

    assert (told["verdict"], codes(told)) == (verdict, reasons)
    assert told["admitted"] is (verdict == "admitted")
    assert [reason["sentence"] for reason in told["reasons"]] == [SENTENCES[EntryReason(code)] for code in reasons]


def test_resources_are_looked_up(api: Api, site: Site) -> None:
    """Only allowed ones, or one too many."""
    contest, user = site.contest(entries=0, allowedResources=ALLOWED), site.user()

    fine = check(api, contest, user, with_resources(site, site.image(user), 7, 8))
    foreign = check(api, contest, user, with_resources(site, site.image(user), 7, 9))

    assert (fine["admitted"], codes(foreign)) == (True, ["resources_not_allowed"])


def test_places_are_counted_as_they_are_taken(api: Api, site: Site) -> None:
    """Waiting and admitted entries hold a place, of their user, their image and the crucible; rejected ones do not."""
    contest = site.contest(entries=0, entryLimit=2, maxTotalEntries=3)
    user, other = site.user(), site.user()
    fresh = site.image(user)
    decided(site, contest, "rejected", "unpaid", user=user)
    decided(site, contest, "admitted", user=user)

    one_left = check(api, contest, user, fresh)
    again = check(api, contest, user, contest.images[-1])
    decided(site, contest, "waiting", "image_not_scanned", user=user)
    none_left = check(api, contest, user, fresh)
    others = check(api, contest, other, site.image(other))
    decided(site, contest, "admitted", user=other)
    full = check(api, contest, user, fresh)

    assert (one_left["admitted"], codes(again)) == (True, ["image_entered_already"])
    assert (codes(none_left), others["admitted"]) == (["user_limit"], True)
    assert codes(full) == ["total_limit", "user_limit"]


def test_nothing_is_told_of_what_somebody_elses_image_is_like(api: Api, site: Site) -> None:
    """Not whether it is blocked, scanned, of which level or made with what; only that it is not the asker's."""
    contest, user, owner = site.contest(entries=0, level=1, allowedResources=ALLOWED), site.user(), site.user()
    images = [
        site.image(owner),
        site.image(owner, 16),
        site.image(owner, blockedFor="reasons"),
        site.image(owner, 0, ingestion="Pending"),
        site.image(owner, ingestion="Error"),
        with_resources(site, site.image(owner), 9),
    ]

    told = [check(api, contest, user, image) for image in images]
    missing = check(api, contest, user, 2_000_000_000)

    assert [(one["verdict"], codes(one)) for one in told] == [("rejected", ["not_image_owner"])] * len(images)
    assert codes(missing) == ["image_unknown"]


def test_a_check_that_is_none(api: Api, site: Site) -> None:
    """Each malformed body has its code, a crucible that is nowhere its own; and other methods are refused."""
    contest, user = site.contest(entries=0), site.user()
    path, headers = f"{contest.path}/entries/check", bearer(user)

    def said(content: bytes, kind: str = "application/json") -> tuple[int, str]:
        answer = api.client.post(path, content=content, headers={**headers, "Content-Type": kind})
        return answer.status_code, answer.json()["code"]

    for body in NO_BODIES:
        assert said(body) == (400, "bad_json"), body
    assert said(b'{"imageId": 7}', "text/plain") == (415, "wrong_media_type")
    assert said(b'{"imageId": 7' + b" " * 2_000 + b"}") == (413, "body_too_large")
    assert api.client.post(
        path, content=b'{"imageId": 7.0}', headers={**headers, "Content-Type": "application/json"}
    ).is_success
    nowhere = ask(api, Contest(2_000_000_000), user, 7)
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "unknown_crucible")
    unsigned = api.client.post(path, json={"imageId": 7})
    assert (unsigned.status_code, unsigned.json()["code"]) == (401, "no_token")
    for method, where, allowed in (
        ("GET", "check", "POST"),
        ("DELETE", "check", "POST"),
        ("POST", "mine", "GET, HEAD"),
    ):
        refused = api.client.request(method, f"{contest.path}/entries/{where}", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
        assert set(refused.headers["allow"].split(", ")) == set(allowed.split(", "))


def test_checks_are_limited_like_reads(site: Site) -> None:
    """They count against reads_per_minute, refusals too, and not against votes."""
    api = site.api(CRUCIBLE_API__READS_PER_MINUTE="10")
    contest, user = site.contest(entries=0), site.user()
    image = site.image(user)

    answers = [ask(api, contest, user, image) for _ in range(9)]
    answers.append(api.client.post(f"{contest.path}/entries/check", json=[], headers=bearer(user)))
    over = [ask(api, contest, user, image) for _ in range(10)][-1]

    assert [one.status_code for one in answers] == [200] * 9 + [400]
    assert answers[0].headers["ratelimit-policy"] == '"reads";q=10;w=60'
    assert (over.status_code, over.json()["code"]) == (429, "rate_limited")
    assert api.close() == 0


def test_the_askers_entries_and_nobody_elses(api: Api, site: Site) -> None:
    """Newest first, each with its verdict, why, what it cost and since when it waits; without a verdict: undecided."""
    contest, user, elsewhere = site.contest(entries=2), site.user(), site.contest(entries=0)
    site.entry(elsewhere, user=user)
    admitted = decided(site, contest, "admitted", fee=100, user=user)
    rejected = decided(site, contest, "rejected", "user_limit", "level_not_allowed", user=user)
    waiting = decided(site, contest, "waiting", "image_not_scanned", user=user)
    foreign = decided(site, contest, "rejected", "not_image_owner", "image_blocked", user=user)
    withdrawn = decided(site, contest, "withdrawn", user=user)
    gone = decided(site, contest, "admitted", user=user)
    site.postgres.execute('DELETE FROM "CrucibleEntry" WHERE id = ANY(%s)', ([withdrawn, gone],))
    undecided = site.entry(contest, user=user)

    entries = api.get(f"{contest.path}/entries/mine", user).json()["entries"]

    told = [(one["entryId"], one["verdict"], codes(one), one["fee"]["amount"]) for one in entries]
    assert told == [
        (undecided, "undecided", [], 0),
        (withdrawn, "withdrawn", [], 0),
        (foreign, "rejected", ["not_image_owner"], 0),
        (waiting, "waiting", ["image_not_scanned"], 0),
        (rejected, "rejected", ["user_limit", "level_not_allowed"], 0),
        (admitted, "admitted", [], 100),
    ]
    assert entries[3]["waitingSince"] == "2026-01-02T03:04:05.678Z"
    assert {one["waitingSince"] for one in entries if one["verdict"] != "waiting"} == {None}
    assert entries[3]["reasons"][0]["sentence"] == SENTENCES[EntryReason.IMAGE_NOT_SCANNED]
    assert entries[0]["imageId"] == contest.images[-1]


def test_whom_a_verdict_does_not_keep_out_is_in(api: Api, site: Site) -> None:
    """While verdicts are only observed an entrant takes part, and is told all the same what the entry breaks."""
    contest, user = site.contest(entries=0), site.user()
    for entry in (decided(site, contest, "waiting", "image_not_scanned", user=user),
                  decided(site, contest, "rejected", "user_limit", user=user)):  # fmt: skip
        site.postgres.execute(
            "UPDATE crucible_watcher.entry_verdict SET enforced = false WHERE entry_id = %s", (entry,)
        )

    entries = api.get(f"{contest.path}/entries/mine", user).json()["entries"]

    assert [(one["verdict"], codes(one), one["waitingSince"]) for one in entries] == [
        ("admitted", ["user_limit"], None),
        ("admitted", ["image_not_scanned"], None),
    ]


def test_without_entries_there_is_an_empty_list(api: Api, site: Site) -> None:
    """And 404 where there is no crucible."""
    contest, user = site.contest(entries=1), site.user()

    none = api.get(f"{contest.path}/entries/mine", user)
    nowhere = api.get("/v1/crucibles/2000000000/entries/mine", user)

    assert (none.status_code, none.json()) == (200, {"entries": []})
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "unknown_crucible")
