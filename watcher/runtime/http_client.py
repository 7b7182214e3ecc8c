"""The one client for services that are asked over HTTP: Kafka Connect, the schema registry, key sets and others.

What is the same for all of them is decided once, here: one deadline over the whole of a request, a bound on the answer,
proxies by the environment, the system's certificate authorities, no redirects, and each fault an error of ours that
says whether the service can have got the request.

Each request has a connection of its own. What is asked this way is rare, and a kept connection that the other side
closed meanwhile would leave it open whether a request arrived.
"""

import asyncio
import os
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar

import httpx
import msgspec

from watcher.model.errors import TemporaryError
from watcher.runtime.connection_faults import connection_fault
from watcher.runtime.http_proxies import BadProxyError, Proxy, proxy_for

MAX_ANSWER_BYTES: Final = 16_000_000
"""Bytes of an answer, unless a client says otherwise. Smaller: what Kafka Connect tells of a plugin's settings, half a
megabyte, would not fit some day. Larger: a wrong address could fill the memory."""
T = TypeVar("T")
Transport = httpx.AsyncBaseTransport
"""What carries requests; given by tests alone."""
_AGENT: Final = "crucible-watcher"
NO_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises of a body that is no JSON, that is another value, or whose brackets are nested without end."""
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class RequestNotSentError(TemporaryError):
    """Raised when a service cannot have got a request: sending it again does nothing twice."""


class BadAddressError(RequestNotSentError):
    """Raised when an address, or a variable that names a proxy, cannot be used: nothing will help but another one."""


class OutcomeUnknownError(TemporaryError):
    """Raised when a service may have got a request, and its answer is missing: whether it was carried out is open."""


class HttpResponse(msgspec.Struct, frozen=True):
    """What a service answered, whole."""

    status: int
    """HTTP status; a redirect is an answer like any other."""
    headers: Mapping[str, str]
    """By name, in small letters."""
    body: bytes

    @property
    def is_success(self) -> bool:
        """Return whether the status says that the request was carried out (2xx)."""
        return 200 <= self.status < 300

    @property
    def is_page(self) -> bool:
        """Return whether there is a body that is no JSON.

        Then an ingress or a proxy has answered, not a service that speaks JSON: a 404 says nothing of what it has.
        """
        try:
            msgspec.json.decode(self.body or b"null")
        except NO_JSON:
            return True
        return False

    @property
    def text(self) -> str:
        """Return the body as text; what is not UTF-8 is shown as replaced."""
        return self.body.decode("utf-8", "replace")

    @property
    def first_line(self) -> str:
        """Return how the body begins, for messages: 200 characters of its first line at most.

        Whoever answers may be anybody: what cannot be printed is shown as replaced, and so is a NUL, which PostgreSQL
        would not store.
        """
        line = self.text.strip().partition("\n")[0][:200]
        return "".join(one if one.isprintable() else "\ufffd" for one in line)

    @property
    def reason(self) -> str:
        """Return what the status means; empty for one that HTTP does not know."""
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return ""


class HttpClient:
    """Asks one service.

    Args:
        service: what messages call it, e.g. ``Kafka Connect``.
        setting: the setting that names its address, e.g. ``connect.url``.
        url: its address; requests name a path below it.
        timeout: seconds for the whole of a request, from looking up the name to the answer's last byte.
        auth: user and password of Basic authentication, or None.
        bearer: token that each request shows, or None.
        max_bytes: bytes of an answer.
        transport: the wire, for tests.
        environ: where proxies and certificate authorities are named.
    """

    def __init__(
        self,
        service: str,
        setting: str,
        url: str,
        timeout: float,
        *,
        auth: tuple[str, str] | None = None,
        bearer: str | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
        transport: Transport | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._service, self._setting, self._url = service, setting, url
        self._timeout, self._auth, self._bearer = timeout, auth, bearer
        self._max_bytes, self._transport, self._environ = max_bytes, transport, environ
        self._authorities: ssl.SSLContext | None = None

    @property
    def where(self) -> str:
        """Return what messages call the service, and where it is: without user, password and query."""
        try:
            url = httpx.URL(self._url).copy_with(userinfo=b"", query=None, fragment=None)
        except (httpx.InvalidURL, ValueError):
            return f"{self._service} ({self._setting})"
        return f"{self._service} at {url} ({self._setting})"

    async def request(self, method: str, path: str = "", *, body: Any = None) -> HttpResponse:
        """Send a request and return the answer, whatever its status.

        Args:
            method: HTTP method.
            path: below the service's address, with a query if any; empty: the address itself.
            body: encoded as JSON; None: no body.

        Raises:
            RequestNotSentError: the service cannot have got the request.
            OutcomeUnknownError: it may have, and its answer is missing, or larger than is taken.
        """
        sending = _Sending(is_told=self._transport is None)
        proxy: Proxy | None = None
        try:
            async with asyncio.timeout(self._timeout):
                url = self._address(path)
                proxy = None if self._transport else proxy_for(str(url), self._environ)
                return await self._exchange(method, url, proxy, body, sending)
        except TemporaryError:
            raise
        except (BadProxyError, httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
            raise BadAddressError(f"{self.where}: the address cannot be used: {error}") from error
        except Exception as error:  # what lies below raises errors of four libraries, some by accident
            raise self._fault(error, proxy, sending) from error
        finally:
            await sending.close()

    def request_blocking(self, method: str, path: str = "", *, body: Any = None) -> HttpResponse:
        """Send a request where no event loop runs in this thread, and return the answer as :meth:`request` does."""
        return asyncio.run(self.request(method, path, body=body))

    def read(self, answer: HttpResponse, kind: type[T]) -> T:
        """Return an answer's body as what it should be.

        Raises:
            OutcomeUnknownError: it is something else, so whoever answered may not be the service.
        """
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except NO_JSON as error:
            raise OutcomeUnknownError(f"{self.where} answers something else than it should: {error}") from error

    def _address(self, path: str) -> httpx.URL:
        url = httpx.URL(f"{self._url.rstrip('/')}/{path.lstrip('/')}" if path else self._url)
        if url.scheme not in {"http", "https"} or not url.host:
            raise BadAddressError(f"{self.where}: expected an address that begins with http:// or https:// and a host")
        return url

    async def _exchange(
        self, method: str, url: httpx.URL, proxy: Proxy | None, body: Any, sending: "_Sending"
    ) -> HttpResponse:
        tls = await self._tls(url, proxy)
        headers = {"user-agent": _AGENT, "accept-encoding": "identity"}
        if self._bearer is not None:
            headers["authorization"] = f"Bearer {self._bearer}"
        content = None
        if body is not None:
            headers["content-type"], content = "application/json", msgspec.json.encode(body)
        through = None
        if proxy is not None:
            through = httpx.Proxy(proxy.url, ssl_context=tls if proxy.url.startswith("https:") else None)
        async with (
            httpx.AsyncClient(
                auth=self._auth,
                verify=tls,
                proxy=through,
                transport=self._transport,
                timeout=None,  # noqa: S113 - the deadline is around all of it
                follow_redirects=False,
                trust_env=False,
            ) as client,
            client.stream(method, url, content=content, headers=headers, extensions={"trace": sending.trace}) as answer,
        ):
            taken = bytearray()
            async for part in answer.aiter_bytes():
                taken += part
                if len(taken) > self._max_bytes:
                    raise OutcomeUnknownError(f"{self.where} answers more than {self._max_bytes} bytes")
            return HttpResponse(answer.status_code, dict(answer.headers), bytes(taken))

    async def _tls(self, url: httpx.URL, proxy: Proxy | None) -> ssl.SSLContext:
        if url.scheme != "https" and (proxy is None or not proxy.url.startswith("https:")):
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and is not needed
        if self._authorities is None:
            self._authorities = await asyncio.to_thread(ssl.create_default_context)  # reads many files
        return self._authorities

    def _fault(self, error: Exception, proxy: Proxy | None, sending: "_Sending") -> TemporaryError:
        """Return the error of ours that a fault is."""
        url = httpx.URL(self._url)
        port = url.port or (443 if url.scheme == "https" else 80)
        host, port = (url.host, port) if proxy is None else (proxy.host, proxy.port)
        through = f" through the proxy that {proxy.variable} names" if proxy else ""
        not_sent = isinstance(error, _NOT_SENT) or not sending.may_have_arrived
        if isinstance(error, TimeoutError | httpx.TimeoutException):
            what = "no connection" if not_sent else "no answer"
            said = f"{what} within {self._timeout:g} s"
        elif isinstance(error, httpx.ProxyError):
            said = f"the proxy refuses: {error}"
        elif not_sent:
            said = connection_fault(error, host, port, self._environ) or _last_words(error)
        elif isinstance(error, httpx.RemoteProtocolError):
            said = f"it does not answer in HTTP ({_last_words(error)}); does it speak TLS, or another protocol?"
            if "disconnected" in str(error):
                said = "the connection was closed before the answer"
        else:
            said = f"the connection was lost before the whole answer ({_last_words(error)})"
        kind = RequestNotSentError if not_sent else OutcomeUnknownError
        return kind(f"{self.where}{through}: {said}")


class _Sending:
    """What the HTTP library tells of one request while it carries it out.

    Args:
        is_told: it will be told; a test's wire does not tell, and everything may have arrived there.
    """

    def __init__(self, *, is_told: bool) -> None:
        self.may_have_arrived = not is_told
        """Whether the service can have got the request: the library has begun to send it."""
        self._opened: list[Any] = []

    async def trace(self, event: str, about: Mapping[str, Any]) -> None:
        """Note what the library does; a ``CONNECT`` is for the proxy alone."""
        if event.endswith("connect_tcp.complete"):
            self._opened.append(about["return_value"])
        elif event.endswith("send_request_headers.started") and about["request"].method != b"CONNECT":
            self.may_have_arrived = True

    async def close(self) -> None:
        """Close what was opened: where a deadline or a proxy's fault comes amid the start, the library does not."""
        for stream in self._opened:
            await stream.aclose()


def _last_words(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
