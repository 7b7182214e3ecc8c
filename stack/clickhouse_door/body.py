"""The bytes of a request: whole, or not at all.

A statement runs only after its last byte has come, so what a client began to send and abandoned changes nothing.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from stack.clickhouse_door.errors import CANNOT_DECOMPRESS, NOT_IMPLEMENTED, StatementError

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedIOBase

# Larger than any insert of this project by far; a request without bound would be the machine's end, not the request's.
MAX_BODY_BYTES = 1 << 30


class ClientGoneError(Exception):
    """The client went away in the middle of its request."""


def read_body(stream: BufferedIOBase, length: str | None, transfer_encoding: str) -> bytes:
    """Read a request's body.

    Args:
        stream: the connection, at the first byte of the body.
        length: the Content-Length header, if any.
        transfer_encoding: the Transfer-Encoding header, or an empty string.

    Raises:
        AbandonedError: the connection ended before the body did.
        StatementError: the body is larger than ``MAX_BODY_BYTES`` bytes.

    """
    if "chunked" in transfer_encoding.lower():
        return _read_chunks(stream)
    return _read_exactly(stream, int(length or 0))


def _read_exactly(stream: BufferedIOBase, size: int) -> bytes:
    if size > MAX_BODY_BYTES:
        raise StatementError.of(
            NOT_IMPLEMENTED, f"A body of {size} bytes; at most {MAX_BODY_BYTES} are taken, send less at once"
        )
    read = stream.read(size) if size else b""
    if len(read) != size:
        raise ClientGoneError
    return read


def _read_chunks(stream: BufferedIOBase) -> bytes:
    chunks: list[bytes] = []
    total = 0
    while size := _read_chunk_size(stream):
        total += size
        if total > MAX_BODY_BYTES:
            raise StatementError.of(NOT_IMPLEMENTED, f"A body above {MAX_BODY_BYTES} bytes; send less at once")
        chunks.append(_read_exactly(stream, size))
        if stream.readline(3) != b"\r\n":
            raise ClientGoneError
    while (trailer := stream.readline(65536)) != b"\r\n":
        if not trailer:
            raise ClientGoneError
    return b"".join(chunks)


def _read_chunk_size(stream: BufferedIOBase) -> int:
    line = stream.readline(1024)
    try:
        return int(line.split(b";")[0], 16)
    except ValueError:
        raise ClientGoneError from None


def decompress(body: bytes, encoding: str) -> bytes:
    """Undo the Content-Encoding of a body.

    Raises:
        StatementError: an encoding that is not gzip, deflate, lz4 or zstd, or bytes that are not of it.

    """
    encoding = encoding.lower().strip()
    if encoding in ("", "identity"):
        return body
    undo = _decompressor(encoding)
    try:
        return undo(body)
    except Exception as error:  # every codec has an error class of its own
        raise StatementError.of(CANNOT_DECOMPRESS, f"The body is not {encoding}: {error}") from error


# Where each codec lives; lz4 and, before Python 3.14, zstd come with the client that sends them.
_CODECS = {
    "gzip": ("gzip",),
    "deflate": ("zlib",),
    "lz4": ("lz4.frame",),
    "zstd": ("compression.zstd", "backports.zstd"),
}


def _decompressor(encoding: str) -> Callable[[bytes], bytes]:
    if encoding not in _CODECS:
        raise StatementError.of(
            NOT_IMPLEMENTED, f"Content-Encoding {encoding!r} is not supported; send {', '.join(_CODECS)} or nothing"
        )
    for module in _CODECS[encoding]:
        with suppress(ImportError):
            codec = import_module(module)
            if encoding == "lz4":
                return _frame_by_frame(codec.LZ4FrameDecompressor)
            undo: Callable[[bytes], bytes] = codec.decompress
            return undo
    raise StatementError.of(CANNOT_DECOMPRESS, f"No {encoding} library is installed here; send gzip or nothing")


def _frame_by_frame(new: Callable[[], Any]) -> Callable[[bytes], bytes]:
    """Undo a body of several frames, one a block, of which the module's own function undoes the first."""

    def undo(body: bytes) -> bytes:
        undone: list[bytes] = []
        while body:
            frame = new()
            undone.append(frame.decompress(body))
            if not frame.eof:
                raise EOFError("the last frame is cut off")
            body = frame.unused_data or b""
        return b"".join(undone)

    return undo
