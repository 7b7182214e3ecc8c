"""The files of `watcher/api/arena`: read once, under a strict policy of what they may load and from where."""

from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

import xxhash

from watcher.api.http.asgi import Header, Receive, Scope, Send
from watcher.api.http.problem import ProblemError
from watcher.api.http.response import Response, names_tag

MEDIA_TYPES: Final = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}
INDEX: Final = "index.html"


def policy(image_url: str) -> bytes:
    """Return the content security policy: all from here, images and videos from their own origin too, nothing inline.

    >>> b"img-src 'self' https://images.example.com;" in policy("https://images.example.com/{url}/w=450")
    True
    """
    address = urlsplit(image_url)
    media = f" {address.scheme}://{address.netloc}" if address.scheme and address.netloc else ""
    rules = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        f"img-src 'self'{media}",
        f"media-src 'self'{media}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return "; ".join(rules).encode()


class ArenaFiles:
    """Answers ``GET /arena/{name}``: the page for a crucible's number, a file of the page for its name.

    Args:
        image_url: the template of image addresses, whose origin the page may load from.
    """

    def __init__(self, image_url: str) -> None:
        self._common: list[Header] = [
            (b"content-security-policy", policy(image_url)),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
            (b"cache-control", b"public, max-age=0, must-revalidate"),
        ]
        self._files: dict[str, tuple[bytes, list[Header]]] = {}
        for file in files("watcher.api").joinpath("arena").iterdir():
            suffix = "." + file.name.rpartition(".")[2]
            if suffix in MEDIA_TYPES:
                content = file.read_bytes()
                tag = b'"%s"' % xxhash.xxh3_64_hexdigest(content).encode()
                self._files[file.name] = content, [(b"content-type", MEDIA_TYPES[suffix]), (b"etag", tag)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a file of the page, or 304 when the browser has it already."""
        name: str = scope["path_params"]["name"]
        found = self._files.get(INDEX if name.isascii() and name.isdigit() else name)
        if found is None or name == INDEX:
            problem = ProblemError("no_such_route")
            await Response(problem.body(), problem.status, problem.headers()).send((), receive, send)
            return
        content, headers = found
        headers = [*headers, *self._common]
        held = b", ".join(value for key, value in scope["headers"] if key == b"if-none-match")
        if names_tag(held, headers[1][1]):
            await Response(b"", 304, headers[1:]).send((), receive, send)
        else:
            await Response(content, 200, headers).send((), receive, send)
