"""The words of ASGI, by which server, guard and answers speak with each other."""

from collections.abc import Awaitable, Callable
from typing import Any

Scope = Any
"""What a server says of a request before its body: a dictionary."""
Receive = Callable[[], Awaitable[Any]]
"""Returns the next message of the client: a piece of the body, or that it hung up."""
Send = Callable[[Any], Awaitable[None]]
"""Sends one message to the client: the head of an answer, or a piece of its body."""
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
"""Answers one request, from its scope, by the two."""
Header = tuple[bytes, bytes]
"""A header's name, in small letters, and its value."""
