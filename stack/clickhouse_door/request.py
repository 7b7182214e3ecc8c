"""One HTTP request as a value: the statement, its data, its settings, its parameters."""

from __future__ import annotations

import email.parser
import email.policy
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from stack.clickhouse_door.errors import BAD_REQUEST_PARAMETER, NOT_IMPLEMENTED, StatementError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message

# Parameters about the transport. Answers go out whole and uncompressed, which every one of these allows; the native
# protocol's version only offers newer encodings, and a client sees from the first answer that they are not used.
_IGNORED = {
    "wait_end_of_query", "buffer_size", "client_protocol_version", "enable_http_compression",
    "http_zlib_compression_level", "send_progress_in_http_headers", "http_headers_progress_interval_ms",
    "cancel_http_readonly_queries_on_client_close", "add_http_cors_header", "http_response_buffer_size",
}  # fmt: skip
_REFUSED = {
    "compress": "ClickHouse's own compressed framing; ask for nothing, answers are never compressed",
    "decompress": "ClickHouse's own compressed framing; use Content-Encoding gzip, deflate, lz4 or zstd",
    "role": "roles; the door has one user",
    "quota_key": "quotas; the door has none",
    "stacktrace": "stack traces",
}
_TRUE = {"1", "true"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class DoorRequest:
    """What a client asks for."""

    query: bytes  #: the text of ``query=``
    body: bytes
    database: str | None
    default_format: str | None
    query_id: str | None
    session_id: str | None
    session_timeout: float  #: seconds until an idle session is forgotten
    session_check: bool  #: the session must exist already
    user: str | None
    password: str | None
    settings: Mapping[str, str]
    parameters: Mapping[str, str]  #: server-side parameters, without the prefix ``param_``


def read_request(url_query: str, headers: Message, body: bytes) -> DoorRequest:
    """Gather a request from its URL, headers and, if it is a form, its body.

    Raises:
        StatementError: something that a ClickHouse server may support and this door does not.

    """
    given = dict(parse_qsl(url_query, keep_blank_values=True, errors="surrogateescape"))
    content_type = headers.get("Content-Type") or ""
    if content_type.startswith("multipart/form-data"):
        given.update(_form_fields(content_type, body))
        body = b""
    settings: dict[str, str] = {}
    parameters: dict[str, str] = {}
    known: dict[str, str] = {}
    for name, value in given.items():
        if name in _REFUSED and value not in ("", "0"):
            raise StatementError.of(NOT_IMPLEMENTED, f"{name}={value}: this door does not support {_REFUSED[name]}")
        if name.startswith("param_"):
            parameters[name.removeprefix("param_")] = value
        elif name in _KNOWN:
            known[name] = value
        elif name not in _IGNORED and name not in _REFUSED:
            settings[_setting_name(name)] = value
    if settings.get("async_insert", "0").lower() in _TRUE:
        raise StatementError.of(
            NOT_IMPLEMENTED, "async_insert=1: every insert is written before it is answered; send 0"
        )
    settings.pop("wait_for_async_insert", None)
    return DoorRequest(
        query=known.get("query", "").encode(errors="surrogateescape"),
        body=body,
        database=known.get("database") or headers.get("X-ClickHouse-Database"),
        default_format=known.get("default_format") or headers.get("X-ClickHouse-Format"),
        query_id=known.get("query_id"),
        session_id=known.get("session_id"),
        session_timeout=_seconds(known.get("session_timeout", "60")),
        session_check=known.get("session_check", "0").lower() in _TRUE,
        user=known.get("user"),
        password=known.get("password"),
        settings=settings,
        parameters=parameters,
    )


_KNOWN = {
    "query", "database", "default_format", "query_id", "session_id", "session_timeout", "session_check", "user",
    "password",
}  # fmt: skip


def _setting_name(name: str) -> str:
    if not _NAME.match(name):
        raise StatementError.of(BAD_REQUEST_PARAMETER, f"URL parameter {name!r} is neither known nor a setting's name")
    return name


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise StatementError.of(BAD_REQUEST_PARAMETER, f"session_timeout={text!r} is not a number of seconds") from None


def _form_fields(content_type: str, body: bytes) -> dict[str, str]:
    """Text fields of a multipart form; a file would be external data, which is refused."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    fields: dict[str, str] = {}
    for part in form.iter_parts():
        name = part.get_param("name", header="Content-Disposition")
        if part.get_filename() is not None:
            raise StatementError.of(
                NOT_IMPLEMENTED, f"External data ({name}) is not supported; insert it into a table first"
            )
        payload = part.get_payload(decode=True)
        fields[str(name)] = payload.decode() if isinstance(payload, bytes) else ""
    return fields
