"""The server around the application: one process, one address, and no patience with clients that only hold a connection.

A connection must send a whole request within `PATIENCE` seconds of being opened or of the answer before, and take its answer within
`LONGEST`; else it is closed. So a thousand clients that open connections and wait cost memory for ten seconds, not for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from dissect.errors import UsageError
from dissect.serve.app import create_app
from dissect.serve.settings import MOST_HEADERS, Settings
from dissect.store import Store

PATIENCE = 10.0
LONGEST = 60.0
MOST_CONNECTIONS = 2_000
"""Beyond this many, requests are answered with 503."""
BACKLOG = 512


class Impatient(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with an end to waiting."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self._wait(PATIENCE)

    def on_response_complete(self) -> None:
        """An answer is out; the next request may come."""
        super().on_response_complete()
        self._wait(PATIENCE)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self, seconds: float) -> None:
        self._stop()
        self._timer = self.loop.call_later(seconds, self._look)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Time is up: an answer that is under way gets `LONGEST`, anything else is closed."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering and self.conn.their_state in (h11.DONE, h11.MUST_CLOSE):
            self._timer = self.loop.call_later(LONGEST, self.transport.abort)
        else:
            self.transport.abort()


def listen(host: str, port: int) -> socket.socket:
    """A socket on this address; port 0 takes any free one.

    Raises:
        UsageError: the address is no address of this machine, is in use, or may not be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
    except (OSError, OverflowError) as error:
        opened.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot listen on {host}:{port}: {reason}. Choose another --port (0 takes any free one) or --host.") from error
    return opened


def address_of(opened: socket.socket) -> str:
    """The socket's address as a browser takes it."""
    host, port = opened.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def serve(store: Store, settings: Settings, opened: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
    """Answer requests until the process is told to end (Ctrl-C, SIGTERM). ready: called when the first request can come."""
    _more_files()
    config = uvicorn.Config(
        create_app(store, settings), http=Impatient, ws="none", lifespan="on", log_config=None, access_log=False, server_header=False,
        proxy_headers=False, limit_concurrency=MOST_CONNECTIONS, backlog=BACKLOG, timeout_keep_alive=5, timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=MOST_HEADERS + 4_096,
    )  # fmt: skip
    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with contextlib.suppress(KeyboardInterrupt):
        _Server(config, ready).run(sockets=[opened])


class _Server(uvicorn.Server):
    """Says when it is up."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        if self.started:
            self._ready()


def _more_files() -> None:
    """Let the process hold as many connections as it may, where the system counts them as files."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    wanted, (soft, hard) = 2 * MOST_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)
    limit: Any = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
