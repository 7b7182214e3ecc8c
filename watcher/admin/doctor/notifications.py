"""The notification service's side: it answers, and takes the token."""

from collections.abc import Iterator

from watcher.admin.doctor.findings import Finding, ok
from watcher.notify.port import Notifier

ASKED_ABOUT = "crucible-doctor"
"""A key that no notice has."""


def notifications(notifier: Notifier) -> Iterator[Finding]:
    """Find whether it can be asked what was delivered; nobody is told anything."""
    notifier.told([ASKED_ABOUT])
    yield ok("notify", "answers, and takes notify.token")
