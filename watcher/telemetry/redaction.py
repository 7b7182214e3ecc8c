"""Hides secrets in text that others wrote: drivers put connection strings into their errors."""

import re
from typing import Final

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
    """The text without passwords of URLs and without values of anything named like a password.

    >>> redact("connecting to redis://default:hunter2@cache:6379/0 failed")
    'connecting to redis://default:***@cache:6379/0 failed'
    >>> redact("host=db password='two words' user=site")
    'host=db password=*** user=site'
    """
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<keep>{HIDDEN}", text)
    return text


def describe(error: BaseException) -> str:
    """One line that names an error, without secrets: its class and the first line of its text."""
    first = next(iter(str(error).strip().splitlines()), "")
    return redact(f"{type(error).__name__}: {first}" if first else type(error).__name__)
