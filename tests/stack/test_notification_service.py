"""The notification service's double: what its documentation says of the real one, quirks included."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import pytest

from stack.topology import Stack

_numbers = count(1)


class Service:
    """The service as a client sees it, and what it keeps as an audit does."""

    def __init__(self, stack: Stack) -> None:
        self.part = stack.notifications
        self.http = httpx.Client(base_url=self.part.url, timeout=2.0)

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        shown = headers or {"Authorization": f"Bearer {self.part.token}"}
        answer = self.http.post(path, json=body, headers=shown)
        return answer.status_code, answer.json()

    def told(self, key: str) -> list[int]:
        """Users to whom a key was delivered."""
        return [one["user"] for one in self._everything()["delivered"] if one["key"] == key]

    def waits(self, key: str) -> list[int]:
        """Users for whom a key waits."""
        return [one["user"] for one in self._everything()["waiting"] if one["key"] == key]

    def delivery(self, seconds: float) -> None:
        self.post("/_simulator/delivery", {"seconds": seconds})

    def _everything(self) -> Any:
        return self.post("/_simulator/notifications", {})[1]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(parts=["notifications"]) as running:
        yield running


@pytest.fixture
def service(stack: Stack) -> Iterator[Service]:
    service = Service(stack)
    service.delivery(0)
    yield service
    service.post("/_simulator/faults", [])
    service.http.close()


@pytest.fixture
def body() -> dict[str, Any]:
    """A notification with a key that no other has."""
    number = next(_numbers)
    return {"key": f"k-{number}", "type": f"t-{number}", "category": "Other", "details": {"a": 1}, "userId": 5}


def test_a_notification_is_queued_and_then_delivered(service: Service, body: dict[str, Any]) -> None:
    """By a worker that looks every few seconds; before that it is not there."""
    service.delivery(3600)
    assert service.post("/notifications", body) == (202, {"status": "queued", "queued": 1})
    assert (service.waits(body["key"]), service.told(body["key"])) == ([5], [])
    assert service.post("/notifications/exists", {"key": body["key"]}) == (200, {"exists": False})

    service.delivery(0)

    assert service.post("/notifications/exists", {"key": body["key"]}) == (200, {"exists": True})
    assert (service.waits(body["key"]), service.told(body["key"])) == ([], [5])


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer x"}, {"x-webhook-token": "x"}, {"Other": "x"}])
def test_who_shows_no_token_is_not_let_in(service: Service, body: dict[str, Any], headers: dict[str, str]) -> None:
    assert service.post("/notifications", body, **headers)[0] == 401


def test_another_header_may_hold_the_token(service: Service, body: dict[str, Any]) -> None:
    assert service.post("/notifications", body, **{"x-webhook-token": service.part.token})[0] == 202


@pytest.mark.parametrize(
    "wrong",
    [
        {"category": "Crucible"},
        {"category": None},
        {"key": ""},
        {"type": None},
        {"details": None},
        {"userId": "5"},
        {"debounceSeconds": 5, "dedupeKey": "x"},
    ],
)
def test_what_is_no_notification_is_refused(service: Service, body: dict[str, Any], wrong: dict[str, Any]) -> None:
    """There is no category for crucibles."""
    assert service.post("/notifications", {**body, **wrong})[0] == 400
    assert service.waits(body["key"]) == service.told(body["key"]) == []


def test_one_is_not_sent_to_who_opted_out_and_many_are(service: Service, body: dict[str, Any]) -> None:
    """And none to user -1, who is nobody."""
    service.post("/_simulator/opt_out", {"userId": 5, "type": body["type"]})
    many = {**body, "key": f"{body['key']}-bulk", "users": [5, -1]}

    assert service.post("/notifications", {**body, "userIds": [-1]})[1]["queued"] == 0
    assert service.post("/notifications/bulk", [many])[1]["queued"] == 1
    assert (service.told(body["key"]), service.told(many["key"])) == ([], [5])


def test_a_key_is_one_notification_for_ever(service: Service, body: dict[str, Any]) -> None:
    """Sent again, it adds users who were not among its recipients, and changes nothing else."""
    service.post("/notifications", body)
    assert service.told(body["key"]) == [5]

    assert service.post("/notifications", {**body, "details": {"a": 2}})[1]["queued"] == 0
    assert service.post("/notifications", {**body, "userId": 6})[1]["queued"] == 1
    assert service.told(body["key"]) == [5, 6]
    _, everything = service.post("/_simulator/notifications", {})
    assert [one["details"] for one in everything["delivered"] if one["key"] == body["key"]] == [{"a": 1}] * 2


def test_a_bulk_is_a_thousand_at_most_and_whole_or_nothing(service: Service, body: dict[str, Any]) -> None:
    one = {**body, "users": [5]}

    assert service.post("/notifications/bulk", [one] * 1_001)[0] == 400
    assert service.post("/notifications/bulk", [])[0] == 400
    assert service.post("/notifications/bulk", [one, {**one, "category": "Crucible"}])[0] == 400
    assert service.told(body["key"]) == []


def test_a_failed_database_looks_like_success(service: Service, body: dict[str, Any]) -> None:
    service.post("/_simulator/faults", [{"kind": "hollow"}])

    assert service.post("/notifications", body) == (202, {"status": "queued", "queued": 0})
    assert service.told(body["key"]) == []


def test_what_was_queued_outlives_a_kill(service: Service, body: dict[str, Any]) -> None:
    service.post("/notifications", body)
    service.part.kill()
    service.part.start()
    service.part.await_ready()
    service.delivery(0)

    assert service.told(body["key"]) == [5]
