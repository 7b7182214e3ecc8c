"""A request as resources get it: of a user whom we know, with its parameters read."""

from collections.abc import Sequence
from typing import Any

import msgspec

from watcher.api.http.asgi import Header, Receive
from watcher.api.identity.auth import Principal
from watcher.api.identity.users import User
from watcher.model.visibility import effective_level


class Request(msgspec.Struct):
    """A request of somebody whom we know."""

    principal: Principal
    """What the token says of who asks."""
    user: User
    """What the site says of who asks."""
    params: dict[str, Any]
    """Parameters by name, with their defaults."""
    headers: Sequence[Header]
    receive: Receive

    @property
    def user_id(self) -> int:
        """Return the number of the user who asks."""
        return self.principal.user_id

    @property
    def own_level(self) -> int:
        """Return the levels that account and token both allow, as flags: a claim widens no account."""
        claimed = self.principal.browsing_level
        return self.user.browsing_level if claimed is None else self.user.browsing_level & claimed

    @property
    def show_nsfw(self) -> bool:
        """Return whether the asker wants more than PG at all: neither the token nor the site says no."""
        return self.user.show_nsfw and self.principal.show_nsfw is not False

    def visible_levels(self, allowed: int) -> int:
        """Return the levels that the asker sees where these are allowed, as flags; 0 if none.

        It is what is asked for, and the account allows, and is allowed.
        """
        return effective_level(self.params.get("browsingLevel"), self.own_level, self.show_nsfw, allowed)

    def header(self, name: bytes) -> bytes | None:
        """Return the value of a header, given in small letters; None if the request has none.

        Several lines of one header are one list (RFC 9110, 5.3).
        """
        return b", ".join(value for each, value in self.headers if each == name) or None
