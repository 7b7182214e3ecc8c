"""Bodies of requests: read to a limit, and decoded into the type that the OpenAPI document was made from."""

from typing import Final, Generic, TypeVar

import msgspec

from watcher.api.http.asgi import Header, Receive
from watcher.api.http.problem import ProblemError
from watcher.api.http.request import Request

_JSON: Final = b"application/json"
T = TypeVar("T")


class JsonBody(Generic[T]):
    """Reads bodies of one type.

    Args:
        kind: a type whose fields are numbers and texts.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._decode = msgspec.json.Decoder(kind).decode

    async def read(self, request: Request, max_bytes: int) -> T:
        """Return the body of a request.

        Raises:
            ProblemError: it is too large, no JSON, or not of the type.
        """
        kind, length = b"", None
        for name, value in request.headers:
            if name == b"content-type":
                kind = value
            elif name == b"content-length":
                length = value.strip(b" \t")
            elif name == b"content-encoding" and value.strip().lower() != b"identity":
                raise ProblemError("wrong_media_type", "Content-Encoding: nothing is unpacked here")
        if kind != _JSON and kind.split(b";", 1)[0].strip().lower() != _JSON:
            raise ProblemError("wrong_media_type")
        if length is not None and (not length.isdigit() or len(length) > 9 or int(length) > max_bytes):
            raise BodyTooLargeError(max_bytes)
        text = await body_of(request.receive, max_bytes)
        try:
            return self._decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            if isinstance(error, msgspec.ValidationError) and (body := self.with_whole_numbers(text)) is not None:
                return body
            raise ProblemError("bad_json", str(error) if isinstance(error, msgspec.DecodeError) else None) from error

    def with_whole_numbers(self, text: bytes) -> T | None:
        """Return a body with whole numbers for ids that were written like 7.0, which JSON Schema takes for whole.

        >>> JsonBody(dict[str, int]).with_whole_numbers(b'{"winner": 7.0, "loser": 8}')
        {'winner': 7, 'loser': 8}
        >>> JsonBody(dict[str, int]).with_whole_numbers(b'{"winner": 7.5, "loser": 8}')
        """
        try:
            told = msgspec.json.decode(text, type=dict[str, int | float | str | None])
            for name, number in told.items():
                if isinstance(number, float) and number.is_integer() and abs(number) < 2**53:
                    told[name] = int(number)
            return msgspec.convert(told, self._kind)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None


class BodyTooLargeError(ProblemError):
    """Raised when a body is not read to its end; the connection is closed, for what follows on it is still that body.

    Args:
        max_bytes: bytes that are taken.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__("body_too_large", f"{max_bytes} bytes are allowed")

    def headers(self) -> list[Header]:
        """Return the problem's headers, and that the connection is closed."""
        return [*super().headers(), (b"connection", b"close")]


async def body_of(receive: Receive, max_bytes: int) -> bytes:
    """Return a request's body.

    Raises:
        ProblemError: it is too large, or the client hung up before its end.
    """
    message = await receive()
    taken: bytes = message.get("body", b"")
    while message.get("more_body"):
        if len(taken) > max_bytes:
            break
        message = await receive()
        taken += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise ProblemError("bad_request", "the body ended before its end")
    if len(taken) > max_bytes:
        raise BodyTooLargeError(max_bytes)
    return taken
