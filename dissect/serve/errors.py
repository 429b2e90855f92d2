"""Errors as answers: one shape for programs, one plain page for people, never a traceback.

    {"error": {"status": 404, "code": "not_found", "message": "there is no run 9. Runs: 1."}}
"""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from dissect.errors import DissectError, NotFoundError, TooSlowError, UsageError
from dissect.serve import links

LOG = logging.getLogger("dissect.serve")
CODES = {
    400: "bad_request", 401: "unauthorised", 403: "forbidden", 404: "not_found", 405: "method_not_allowed", 409: "conflict",
    413: "too_large", 414: "too_long", 421: "wrong_host", 422: "invalid", 431: "too_large", 500: "fault", 503: "unavailable",
}  # fmt: skip
"""Status -> the word that a program can test for."""
TITLES = {
    401: "Log in first", 403: "Not allowed", 404: "Not found", 421: "Another host", 422: "That question cannot be asked", 503: "Not now",
}  # fmt: skip
FAULT = "this is a fault of dissect; the server's log says more. Please report it."


class ErrorDetail(BaseModel):
    """What went wrong. status: the HTTP status; code: a word to test for; message: what, where, and what to do."""

    status: int
    code: str
    message: str


class ErrorAnswer(BaseModel):
    """The one shape of every error."""

    error: ErrorDetail


def install(app: FastAPI) -> None:
    """Answer every error in one shape."""
    app.add_exception_handler(DissectError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def answer(path: str, status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error as the client of this path reads it: JSON for data, a page for pages."""
    if is_data(path):
        body = ErrorAnswer(error=ErrorDetail(status=status, code=CODES.get(status, "error"), message=message))
        return JSONResponse(body.model_dump(), status, headers)
    from dissect.serve.pages import error_page

    return HTMLResponse(error_page(TITLES.get(status, "That did not work"), message), status, headers)


def is_data(path: str) -> bool:
    """Whether a program asks here: the API, a JSON or a CSV twin of a page, a picture."""
    return path.startswith((links.API, "/t/", "/static/")) or path.endswith((".json", ".csv"))


def status_of(error: DissectError) -> int:
    """HTTP status of one of our errors: the client's fault, or a database that cannot answer now."""
    if isinstance(error, NotFoundError):
        return 404
    return 422 if isinstance(error, UsageError) else 503


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, DissectError)
    status = status_of(error)
    if status == 503:
        LOG.warning("%s: %s", request.url.path, error)
    slow = {"Retry-After": "30"} if isinstance(error, TooSlowError) else None
    return answer(request.url.path, status, str(error), slow)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return answer(request.url.path, 422, "; ".join(_words(found) for found in error.errors()[:5]) + ".")


def _words(found: dict[str, Any]) -> str:
    """`limit: Input should be less than or equal to 200`; what the client sent is not repeated."""
    where = ".".join(str(part) for part in found["loc"][1:])[:80]
    if found["type"] == "extra_forbidden":
        return f"{where!r} is no parameter of this page"
    return f"{where}: {found['msg']}" if where else str(found["msg"])


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = error.detail
    if error.status_code == 404 and message == "Not Found":
        message = "there is no such page. Start at / and follow the links."
    return answer(request.url.path, error.status_code, message, dict(error.headers or {}))

