"""Tokens as the site's sign-in would issue them."""

import time
from dataclasses import dataclass

import jwt


@dataclass(frozen=True, slots=True)
class SignIn:
    """The site's side of the shared secret."""

    secret: str
    issuer: str = "crucible-demo"
    audience: str = "crucible"

    def token(self, user: int, seconds: float = 7200.0) -> str:
        """Return a token of that user, good for so long."""
        claims = {"sub": str(user), "iss": self.issuer, "aud": self.audience, "exp": int(time.time() + seconds)}
        return jwt.encode(claims, self.secret, algorithm="HS256")

    def __repr__(self) -> str:
        return f"SignIn(issuer={self.issuer!r}, audience={self.audience!r})"
