"""The ways in which the site's service fails: everybody is told once, and what is refused says why."""

import httpx
import msgspec
import pytest

from stack import Stack
from tests.notify.conftest import OpenSession, Told, everything
from tests.notify.samples import notice, page
from tests.stack.faults import UNKNOWN, arm
from watcher.model.notice import NoticeCategory
from watcher.model.notices import NoticePage
from watcher.model.outbox import Delivered, DeliveryOutcome, OutboxRow, OutboxState, Refused
from watcher.notify.executor import NoticeExecutor
from watcher.notify.http import HttpNotifier
from watcher.notify.port import NoticeRefusedError
from watcher.runtime.http_client import HttpClient, OutcomeUnknownError, RequestNotSentError

BULK = "/notifications/bulk"


def row(of: NoticePage, state: OutboxState = OutboxState.PENDING) -> OutboxRow:
    """A page as the outbox holds it."""
    payload = msgspec.json.decode(msgspec.json.encode(of))
    return OutboxRow(
        id=1, channel="notify", kind="notices", subject=of.key, key=of.key, payload=payload, state=state, attempts=1
    )


def deliver(executor: NoticeExecutor, of: NoticePage) -> DeliveryOutcome:
    """Attempt until it is certain, as the dispatcher does."""
    state = OutboxState.PENDING
    for _ in range(4):
        try:
            return executor.execute(row(of, state))
        except OutcomeUnknownError:
            state = OutboxState.UNKNOWN
    pytest.fail("it never became certain")


def users(service: httpx.Client, of: NoticePage) -> list[int]:
    """Who was told of a page."""
    keys = {one.key for one in of.notices()}
    return sorted(one["user"] for one in everything(service)["delivered"] if one["key"] in keys)


@pytest.fixture
def executor(over_http: Told, settle: OpenSession) -> NoticeExecutor:
    """What carries rows out, over HTTP."""
    return NoticeExecutor(over_http.notifier, settle)


@pytest.mark.parametrize("kind", UNKNOWN)
def test_notices_whose_answer_says_nothing(executor: NoticeExecutor, service: httpx.Client, kind: str) -> None:
    """They are looked up and, if need be, sent again."""
    three = page(1, 2, 3)
    arm(service, {"kind": kind, "path": BULK})

    with pytest.raises(OutcomeUnknownError):
        executor.execute(row(three))
    outcome = executor.execute(row(three, OutboxState.UNKNOWN))

    assert isinstance(outcome, Delivered)
    told = 3 if kind in {"hang_before", "close_before", "500_before", "503", "hollow"} else 0
    assert outcome.result == {"told": told, "before": 3 - told, "off": 0}
    assert users(service, three) == [1, 2, 3]


def test_what_waits_in_the_service_is_not_lost_and_not_doubled(executor: NoticeExecutor, service: httpx.Client) -> None:
    """It is not seen on the replica yet: sent again it adds nothing, and later it is there."""
    two = page(1, 2)
    service.post("/_simulator/delivery", json={"seconds": 3600})
    arm(service, {"kind": "close_after", "path": BULK})
    for state in (OutboxState.PENDING, OutboxState.UNKNOWN):
        with pytest.raises(OutcomeUnknownError):
            executor.execute(row(two, state))

    service.post("/_simulator/delivery", json={"seconds": 0})

    assert executor.execute(row(two, OutboxState.UNKNOWN)) == Delivered({"told": 0, "before": 2, "off": 0})
    assert users(service, two) == [1, 2]


def test_a_category_that_the_service_does_not_have_is_refused_with_the_reason(
    over_http: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is none for crucibles; what would be refused for ever is said at once."""
    monkeypatch.setattr("watcher.model.notice.CATEGORIES", {"crucible-ended": "Crucible"})

    with pytest.raises(NoticeRefusedError, match="category: expected one of Bounty, Buzz"):
        over_http.notifier.tell([notice(1)])


def test_a_page_that_is_refused_is_parked(
    executor: NoticeExecutor, service: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watcher.model.notice.CATEGORIES", {"crucible-ended": "Crucible"})

    outcome = executor.execute(row(page(1)))

    assert isinstance(outcome, Refused)
    assert "category" in outcome.error


def test_every_category_of_ours_is_one_of_the_service_s() -> None:
    from stack.notification_service.routes import CATEGORIES

    assert {category.value for category in NoticeCategory} <= CATEGORIES


def test_a_wrong_token_has_told_nobody(parts: Stack, service: httpx.Client) -> None:
    """It can be mended, and is no reason to give notices up."""
    client = HttpClient("the notification service", "notify.url", parts.notifications.url, 1.0, bearer="another")

    with pytest.raises(RequestNotSentError, match=r"401.*check notify\.token"):
        HttpNotifier(client).tell([notice(1)])


def test_a_service_that_is_busy_has_told_nobody(over_http: Told, service: httpx.Client) -> None:
    arm(service, {"kind": "429", "path": BULK})

    with pytest.raises(RequestNotSentError, match="429"):
        over_http.notifier.tell([notice(1)])


def test_a_service_that_is_away_has_told_nobody(over_http: Told, parts: Stack) -> None:
    """So the same may be sent again blindly; what it had before, it still has."""
    before, after = notice(1), notice(2)
    over_http.notifier.tell([before])
    parts.notifications.kill()
    try:
        with pytest.raises(RequestNotSentError):
            over_http.notifier.tell([after])
    finally:
        parts.notifications.start()
        parts.notifications.await_ready()

    assert over_http.told(after.key) == []
    httpx.post(f"{parts.notifications.url}/_simulator/delivery", json={"seconds": 0})
    assert [len(over_http.told(before.key))] == [1]


def test_a_look_up_that_takes_too_long_is_cut_short(client: HttpClient, service: httpx.Client) -> None:
    """What was not reached counts as missing: sent again, it adds nothing."""
    times = iter([0.0, 1.0, 100.0])
    notifier = HttpNotifier(client, lambda: next(times))
    many = [notice(user) for user in (1, 2)]
    notifier.tell(many)

    assert notifier.told([one.key for one in many]) == {many[0].key}


def test_without_counting_a_hollow_success_passes_for_a_notice(
    executor: NoticeExecutor, service: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: whoever believes a 202 leaves users untold."""
    monkeypatch.setattr(HttpClient, "read", lambda *_: type("All", (), {"queued": 1_000}))
    three = page(1, 2, 3)
    arm(service, {"kind": "hollow", "path": BULK})

    assert executor.execute(row(three)) == Delivered({"told": 3, "before": 0, "off": 0})
    assert users(service, three) == []


def test_without_the_look_up_there_is_no_end(executor: NoticeExecutor, service: httpx.Client) -> None:
    """The negative control: sent again blindly, what is there looks missing for ever, because nothing of it is new."""
    three = page(1, 2, 3)
    arm(service, {"kind": "close_after", "path": BULK})
    with pytest.raises(OutcomeUnknownError):
        executor.execute(row(three))

    for _ in range(3):
        with pytest.raises(OutcomeUnknownError, match="queued 0 of 3"):
            executor.execute(row(three))
    assert isinstance(deliver(executor, three), Delivered)
