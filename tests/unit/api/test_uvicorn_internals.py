"""What we rely on inside uvicorn. A test that fails here says what an upgrade has taken away, and where it is used.

How it behaves together is for ``test_connections.py``, ``test_followers.py`` and ``test_too_many_connections.py``.
"""

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server, ServerState

from watcher.api.http.connections import Connections
from watcher.api.http.later import Bursts
from watcher.api.http.uvicorn_internals import BoundedProtocol, sent_in_one_write

MODULE = "watcher/api/http/uvicorn_internals.py"
METHODS = {
    "connection_made": ["transport"],
    "connection_lost": ["exc"],
    "data_received": ["data"],
    "on_message_begin": [],
    "on_url": ["url"],
    "on_header": ["name", "value"],
    "on_headers_complete": [],
    "on_body": ["body"],
    "on_message_complete": [],
    "on_response_complete": [],
    "pause_writing": [],
    "resume_writing": [],
    "send_400_response": ["msg"],
    "_start_asgi_task": ["cycle", "app"],
    "_unset_keepalive_if_required": [],
}
"""Methods of a connection that we extend or replace, with their parameters."""
FLOW = {"pause_reading": [], "resume_reading": []}
PROTOCOL = ("app", "client", "cycle", "flow", "headers", "loop", "parser", "pipeline", "transport")
CYCLE = (
    "default_headers", "disconnected", "flow", "keep_alive", "message_event", "on_response", "response_complete",
    "response_started", "scope", "transport", "waiting_for_100_continue",
)  # fmt: skip
SERVER = (
    "capture_signals", "main_loop", "on_tick", "serve", "startup", "shutdown", "should_exit", "server_state", "config",
)  # fmt: skip


@contextmanager
def relied_on(what: str) -> Iterator[None]:
    """Say what is missing, in a sentence."""
    try:
        yield
    except (AssertionError, AttributeError, KeyError) as error:
        pytest.fail(f"uvicorn {version('uvicorn')} has {what} no more as {MODULE} relies on: {error}")


class Transport:
    """A connection that notes what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, _: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        """Nothing comes in here."""

    def resume_reading(self) -> None:
        """Nothing comes in here."""


async def app(scope: Any, receive: Any, send: Any) -> None:
    """An application that is never asked."""


def connected() -> tuple[BoundedProtocol, Transport]:
    """A connection over no network."""
    config = uvicorn.Config(app, interface="asgi3", lifespan="off", log_config=None)
    config.load()
    made = BoundedProtocol(Connections(7), Bursts(), config=config, server_state=ServerState(), app_state={})
    transport = Transport()
    made.connection_made(cast("Any", transport))
    return made, transport


@pytest.mark.parametrize(("name", "params"), METHODS.items())
def test_a_connection_has_the_methods_that_we_extend(name: str, params: list[str]) -> None:
    """By name and by what they take: one that is called otherwise would just not be called."""
    with relied_on(f"HttpToolsProtocol.{name}({', '.join(params)})"):
        method = getattr(HttpToolsProtocol, name)
        assert list(inspect.signature(method).parameters)[1:] == params


async def test_a_connection_has_the_attributes_that_we_read() -> None:
    """And one that holds reading can be put in the place of its flow."""
    made, _ = connected()

    for name in PROTOCOL:
        with relied_on(f"HttpToolsProtocol.{name}"):
            assert hasattr(made, name)
    for name, params in FLOW.items():
        with relied_on(f"FlowControl.{name}({', '.join(params)})"):
            assert list(inspect.signature(getattr(FlowControl, name)).parameters)[1:] == params
    with relied_on("a queue of requests that came together"):
        assert len(made.pipeline) == 0
    with relied_on("a parser that tells of upgrades"):
        assert made.parser.should_upgrade() is False


async def test_an_answer_can_be_written_in_the_servers_place() -> None:
    """``send`` is a method of the cycle that answers, whose state we then leave as the server would have."""
    made, transport = connected()
    made.data_received(b"GET /x HTTP/1.1\r\nHost: y\r\n\r\n")
    cycle = made.cycle

    for name in CYCLE:
        with relied_on(f"RequestResponseCycle.{name}"):
            assert hasattr(cycle, name)
    with relied_on("send as a method of RequestResponseCycle"):
        assert type(cast("Any", cycle.send).__self__) is RequestResponseCycle
    with relied_on("FlowControl.write_paused"):
        assert isinstance(cycle.flow, FlowControl)
        assert cycle.flow.write_paused is False
    with relied_on("STATUS_LINE"):
        assert httptools_impl.STATUS_LINE[304] == b"HTTP/1.1 304 Not Modified\r\n"

    assert sent_in_one_write(cycle.send, 200, [(b"content-length", b"2")], b"hi")
    with relied_on("default_headers as pairs of bytes"):
        (answer,) = transport.written
        assert answer == b"HTTP/1.1 200 OK\r\n%scontent-length: 2\r\n\r\nhi" % b"".join(
            b"%b: %b\r\n" % one for one in cycle.default_headers
        )
    with relied_on("its own refusal to send twice"), pytest.raises(RuntimeError):
        await cycle.send({"type": "http.response.start", "status": 200, "headers": []})
    made.connection_lost(None)
    await asyncio.gather(*made.tasks, return_exceptions=True)


def test_the_server_has_what_we_extend() -> None:
    """And takes signals in a method of its own, which we replace by nothing."""
    made = Server(uvicorn.Config(app))

    for name in SERVER:
        with relied_on(f"Server.{name}"):
            assert hasattr(made, name)
    with relied_on("Server.server_state.connections"):
        assert isinstance(made.server_state.connections, set)
    with relied_on("capture_signals in serve"):
        assert "capture_signals" in inspect.getsource(Server.serve)
