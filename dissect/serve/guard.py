"""What stands in front of every route: whose request it is, how large it may be, and what a browser may do with the answer.

A page of another origin can make a browser send requests here, by its name (Origin) or under a name that it lets point to this
machine (DNS rebinding; then Host is that name). Both are refused. The content policy lets in nothing but our own files: no script or
style inside a page, no frame, no connection elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dissect.serve import settings
from dissect.serve.errors import FAULT, LOG, answer
from dissect.serve.settings import Settings

POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
SECURITY = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
"""Of every answer. A referrer within the site is let through because browsers otherwise send `Origin: null` with our own forms."""


class TooLargeError(Exception):
    """A body went on beyond its limit."""


class Guard:
    """Refuses foreign, oversized and malformed requests before any of our code sees them; marks every answer with `SECURITY`."""

    def __init__(self, app: ASGIApp, limits: Settings) -> None:
        self._app = app
        self._allowed = limits.allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        started = False

        async def marked(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "private, no-cache")
            await send(message)

        refused = self._refusal(scope)
        try:
            if refused is None:
                await self._app(scope, _bounded(receive), marked)
        except TooLargeError:
            refused = 413, f"the body is larger than {settings.MOST_BODY:,} bytes."
        except Exception:
            LOG.exception("%s %s", scope["method"], scope["path"])
            if started:
                raise
            refused = 500, FAULT
        if refused is not None:
            await answer(str(scope["path"]), *refused)(scope, receive, marked)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        return _too_large(scope, headers) or self._foreign(headers, str(scope.get("scheme", "http")))

    def _foreign(self, headers: Headers, scheme: str) -> tuple[int, str] | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or host_name(hosts[0]) not in self._allowed:
            return 421, "this service does not answer to that name. Start it with --allow-host NAME to let the name in."
        for origin in headers.getlist("origin"):
            if origin.lower() not in (f"http://{hosts[0].lower()}", f"https://{hosts[0].lower()}"):
                return 403, "a page of another origin asked. Open the service itself."
        if headers.get("sec-fetch-site", "none") == "cross-site" and headers.get("sec-fetch-mode", "navigate") != "navigate":
            return 403, "a page of another site asked. Open the service itself."
        return None


def host_name(host: str) -> str:
    """The name in a Host header, lower case, without its port; empty for anything malformed."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError:
        return ""
    name = parts.hostname or ""
    if parts.username is not None or parts.path or parts.query or parts.fragment:
        return ""
    return f"[{name}]" if ":" in name else name.rstrip(".")


def _too_large(scope: Scope, headers: Headers) -> tuple[int, str] | None:
    raw: Iterable[tuple[bytes, bytes]] = scope["headers"]
    if len(scope.get("raw_path") or str(scope["path"]).encode()) > settings.MOST_PATH:
        return 414, f"the address is longer than {settings.MOST_PATH:,} bytes."
    if len(scope["query_string"]) > settings.MOST_QUERY:
        return 414, f"the question is longer than {settings.MOST_QUERY:,} bytes."
    if sum(len(name) + len(value) for name, value in raw) > settings.MOST_HEADERS:
        return 431, f"the headers are longer than {settings.MOST_HEADERS:,} bytes."
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) < 16):
        return 400, "Content-Length is no number."
    if int(length) > settings.MOST_BODY:
        return 413, f"the body is larger than {settings.MOST_BODY:,} bytes."
    return None


def _bounded(receive: Receive) -> Receive:
    """The body, cut off with an error where it goes on beyond its limit without having said so."""
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > settings.MOST_BODY:
            raise TooLargeError
        return message

    return bounded

