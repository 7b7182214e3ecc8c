"""Hides secrets in text that others wrote: drivers put connection strings into their errors."""

import re
from typing import Final

from watcher.model.errors import WatcherError

HIDDEN: Final = "***"

_PATTERNS: Final = (
    re.compile(r"(?P<keep>[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/]*(?=@)", re.IGNORECASE),
    re.compile(
        r"(?P<keep>\b[\w.]*(?:password|passwd|secret|token)[\w.]*[\"']?\s*[=:]\s*)"
        r"(?:\"[^\"]*\"|'(?:[^'\\]|\\.)*'|[^\s,;&}\"']+)",
        re.IGNORECASE,
    ),
)


def redact(text: str) -> str:
    """Return a text without passwords of URLs and without values of anything named like a password.

    >>> redact("connecting to redis://default:hunter2@cache:6379/0 failed")
    'connecting to redis://default:***@cache:6379/0 failed'
    >>> redact("host=db password='two words' user=site")
    'host=db password=*** user=site'
    """
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<keep>{HIDDEN}", text)
    return text


def describe(error: BaseException) -> str:
    """Return one line that names an error, without secrets: its text, and its class unless the error is one of ours.

    >>> from watcher.model.errors import TemporaryError
    >>> describe(TemporaryError("kafka at db:1 does not answer")), describe(KeyError("seq"))
    ('kafka at db:1 does not answer', "KeyError: 'seq'")
    """
    first = next(iter(str(error).strip().splitlines()), "")
    if isinstance(error, WatcherError) and first:
        return redact(first)
    return redact(f"{type(error).__name__}: {first}" if first else type(error).__name__)
