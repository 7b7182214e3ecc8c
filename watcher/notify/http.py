"""The site's own notification service, over HTTP.

Notices go in bulk. That route says so when its database fails, where the one for a single notice answers that all is
well; and it tells apart what it has taken, because it leaves nobody out who wants no such notices: that is looked up
before (:mod:`watcher.notify.executor`). So an answer that counts fewer than were sent proves nothing.
"""

import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import msgspec

from watcher.model.errors import TemporaryError
from watcher.model.notice import Notice
from watcher.model.words import counted
from watcher.notify.port import NoticeRefusedError
from watcher.runtime.http_client import HttpClient, HttpResponse, OutcomeUnknownError, RequestNotSentError

BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_MANY = 400, 401, 403, 404, 429
_NOT_TAKEN: Final = {UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_MANY}
"""Answers of whoever stands before the notices are looked at: mend the settings, or wait."""
LOOK_UP_SECONDS: Final = 20.0
"""Seconds that looking up keys may take; those that were not reached count as missing, and are sent again, which does
nothing to those that are there. Longer: the row of the outbox may become somebody else's meanwhile."""


class _Queued(msgspec.Struct):
    queued: int


class _Exists(msgspec.Struct):
    exists: bool


class HttpNotifier:
    """The site's service.

    Args:
        client: reaches it, and shows the token.
        clock: monotonic seconds.
    """

    def __init__(self, client: HttpClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._clock = client, clock

    def tell(self, notices: Sequence[Notice]) -> None:
        """Have users told, each key once; see :class:`watcher.notify.port.Notifier`."""
        answer = self._client.request_blocking("POST", "notifications/bulk", body=[_sent(one) for one in notices])
        if answer.status == BAD_REQUEST:
            sent = counted(len(notices), "notice")
            raise NoticeRefusedError(f"the notification service refuses {sent}: {answer.first_line}")
        if not answer.is_success:
            raise self._unusual(answer)
        if (queued := self._client.read(answer, _Queued).queued) < len(notices):
            raise OutcomeUnknownError(
                f"{self._client.where} has queued {queued} of {counted(len(notices), 'notice')}: its database may have "
                "failed, or it had the others before"
            )

    def told(self, keys: Collection[str]) -> set[str]:
        """Return those that users were told of; see :class:`watcher.notify.port.Notifier`."""
        until, found = self._clock() + LOOK_UP_SECONDS, set[str]()
        for key in keys:
            if self._clock() > until:
                break
            if self._exists(key):
                found.add(key)
        return found

    def _exists(self, key: str) -> bool:
        """Return whether the service knows a key; a missing answer does no harm, because nobody is told."""
        try:
            answer = self._client.request_blocking("POST", "notifications/exists", body={"key": key})
        except OutcomeUnknownError as error:
            raise RequestNotSentError(str(error)) from error
        if not answer.is_success:
            raise RequestNotSentError(self._words(answer))
        return self._client.read(answer, _Exists).exists

    def _unusual(self, answer: HttpResponse) -> TemporaryError:
        """Return the error of a status that says nothing of what was carried out, or that nothing was."""
        return (RequestNotSentError if answer.status in _NOT_TAKEN else OutcomeUnknownError)(self._words(answer))

    def _words(self, answer: HttpResponse) -> str:
        hint = "; check notify.token" if answer.status in {UNAUTHORIZED, FORBIDDEN} else ""
        return f"{self._client.where} answers {answer.status} {answer.reason}: {answer.first_line}{hint}"


def _sent(one: Notice) -> dict[str, Any]:
    return {
        "key": one.key,
        "type": one.type,
        "category": one.category,
        "users": [one.user_id],
        "details": {**one.details, "message": one.message, "url": one.url},
    }
