"""What the port promises, of the site's service and of the table alike."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from tests.notify.conftest import Told
from tests.notify.samples import notice
from watcher.runtime.http_client import OutcomeUnknownError


def again(way: Told, one: object) -> None:
    """Tell once more; that the service had it before is no surprise."""
    with suppress(OutcomeUnknownError):
        way.notifier.tell([one])  # type: ignore[list-item]


def test_a_user_is_told_with_words_and_details(way: Told) -> None:
    one = notice(1, position=3)

    way.notifier.tell([one])

    assert way.told(one.key) == [
        (1, {"crucibleName": "Dawn", "position": 3, "message": 'You placed #1 in "Dawn"', "url": one.url})
    ]


def test_a_user_is_told_once(way: Told) -> None:
    one = notice(1)

    for _ in range(3):
        again(way, one)

    assert len(way.told(one.key)) == 1


def test_many_at_once_are_one(way: Told) -> None:
    one = notice(1)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: again(way, one), range(8)))

    assert len(way.told(one.key)) == 1


def test_what_was_told_does_not_change(way: Told) -> None:
    one = notice(1, position=3)
    way.notifier.tell([one])

    again(way, notice(1, one.key, position=4))

    assert [details["position"] for _, details in way.told(one.key)] == [3]


def test_a_thousand_are_told_at_once(way: Told) -> None:
    many = [notice(user) for user in range(1, 1_001)]

    way.notifier.tell(many)

    assert [len(way.told(one.key)) for one in (many[0], many[999])] == [1, 1]


def test_it_is_known_who_was_told(way: Told) -> None:
    """So what is not known to have arrived can be told again."""
    there, missing = notice(1), notice(2)
    way.notifier.tell([there])

    assert way.notifier.told([there.key, missing.key]) == {there.key}
    assert way.notifier.told([]) == set()
