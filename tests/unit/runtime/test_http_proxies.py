"""Which proxy a request goes through."""

import socket
import ssl

import pytest

from watcher.runtime.connection_faults import connection_fault
from watcher.runtime.http_proxies import proxy_for

EVERYWHERE = {"ALL_PROXY": "http://all.example:3128"}


@pytest.mark.parametrize(
    ("url", "environ", "named"),
    [
        ("http://a.example/", {}, None),
        ("http://a.example/", EVERYWHERE, "ALL_PROXY"),
        ("http://a.example/", {**EVERYWHERE, "HTTP_PROXY": "p"}, "HTTP_PROXY"),
        ("https://a.example/", {**EVERYWHERE, "HTTP_PROXY": "p"}, "ALL_PROXY"),
        ("https://a.example/", {"HTTPS_PROXY": "p", "https_proxy": "q"}, "https_proxy"),
        ("http://a.example/", {"HTTP_PROXY": " ", "ALL_PROXY": ""}, None),
        ("http://localhost:8083/", EVERYWHERE, None),
        ("http://127.0.0.9/", EVERYWHERE, None),
        ("http://[::1]:8083/", EVERYWHERE, None),
    ],
)
def test_the_variable_that_counts(url: str, environ: dict[str, str], named: str | None) -> None:
    """The scheme's own before the one for all, small letters before capitals, none for this machine."""
    proxy = proxy_for(url, environ)

    assert (proxy and proxy.variable) == named


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        ("a.example", "a.example", True),
        ("A.Example.", "a.example", True),
        ("x.a.example", "a.example", True),
        ("x.a.example", ".a.example", True),
        ("x.a.example", "*.a.example", True),
        ("xa.example", "a.example", False),
        ("a.example", "b.example, a.example", True),
        ("a.example", "*", True),
        ("a.example:8080", "a.example:8080", True),
        ("a.example:8081", "a.example:8080", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("[fd00::7]", "fd00::/8", True),
        ("[fd00::7]:80", "[fd00::7]:80", True),
        ("[fd00::7]:81", "[fd00::7]:80", False),
        ("a.example", "", False),
        ("a.example", ",", False),
        ("a.example", "*.", False),
    ],
)
def test_where_no_proxy_is_wanted(host: str, no_proxy: str, direct: bool) -> None:
    """By name, by domain, by network, with a port or without."""
    proxy = proxy_for(f"http://{host}/", {**EVERYWHERE, "NO_PROXY": no_proxy})

    assert (proxy is None) == direct


@pytest.mark.parametrize(
    ("given", "url", "port"),
    [
        ("proxy.example", "http://proxy.example", 80),
        ("proxy.example:3128", "http://proxy.example:3128", 3128),
        ("https://proxy.example", "https://proxy.example", 443),
        ("socks5h://user:secret@proxy.example", "socks5h://user:secret@proxy.example", 1080),
    ],
)
def test_the_proxys_address(given: str, url: str, port: int) -> None:
    """Without a scheme it is plain HTTP."""
    proxy = proxy_for("http://a.example/", {"ALL_PROXY": given})

    assert proxy is not None
    assert (proxy.url, proxy.host, proxy.port) == (url, "proxy.example", port)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "the host a.example is not known"),
        (
            socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
            "the name a.example could not be looked up: no name server answers",
        ),
        (ConnectionResetError(104, "x"), "a.example:443 cannot be reached: Connection reset by peer"),
        (ssl.SSLError(1, "[SSL: TLSV1_ALERT_INTERNAL_ERROR] x"), "TLS with a.example:443 failed"),
        (ValueError("x"), None),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_the_words_for_a_connection_that_was_not_made(error: Exception, said: str | None, wrapped: bool) -> None:
    """However often a library has wrapped the operating system's error."""
    if wrapped:
        outer = RuntimeError("All connection attempts failed")
        outer.__cause__ = ExceptionGroup("several", [error])
        error = outer

    found = connection_fault(error, "a.example", 443, {})

    assert (found is None) if said is None else (found is not None and found.startswith(said))
