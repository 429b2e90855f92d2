"""Logging in with an access token, and out again."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException

from dissect.serve.auth import writes_allowed
from dissect.serve.pages import render
from dissect.serve.sessions import COOKIE, SECONDS, Sessions
from dissect.serve.write import UNKNOWN, Who, Writable, may_write, person
from dissect.store.tokens import TokenRecord

router = APIRouter(include_in_schema=False)
NEXT = r"/(?:[A-Za-z0-9_~.:@,=+-][A-Za-z0-9/_~.:@,=+-]*)?"
"""A path of this service: no second slash, backslash or scheme that would lead elsewhere."""
Next = Annotated[str, Query(max_length=2000)]


@router.get("/login", response_class=HTMLResponse)
def ask(who: Who, next: Next = "/") -> str:
    """The form."""
    return render("login.html", title="Log in", who=who, next=_local(next))


@router.post("/login", dependencies=[Depends(writes_allowed)])
def log_in(
    request: Request, store: Writable, token: Annotated[str, Form(max_length=200)] = "", next: Annotated[str, Form(max_length=2000)] = "/"
) -> RedirectResponse:
    """A session for who has a token that may write."""
    if "origin" not in request.headers:
        raise HTTPException(403, "log in from this service's own page.")
    found = store.tokens().check(token.strip())
    if found is None:
        raise HTTPException(401, UNKNOWN)
    if not may_write(found):
        raise HTTPException(403, f"the token {found.name} may only read, which needs no log-in.")
    sessions: Sessions = request.app.state.sessions
    answer = RedirectResponse(_local(next), 303)
    secure = request.headers["origin"].lower().startswith("https:")
    answer.set_cookie(COOKIE, sessions.make(found.id), max_age=SECONDS, httponly=True, samesite="strict", secure=secure)
    return answer


@router.post("/logout")
def log_out(_: Annotated[TokenRecord, Depends(person("read"))]) -> RedirectResponse:
    """The end of the session in this browser."""
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def _local(address: str) -> str:
    return address if re.fullmatch(NEXT, address) else "/"
