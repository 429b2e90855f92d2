"""Who may write, and whether this request is theirs.

A program sends `Authorization: Bearer SECRET`. A browser logs in with the secret and then sends a cookie, which other sites cannot make
it send (SameSite=Strict); its forms carry a word that other sites cannot know, and say whose page they are on (Origin, checked by
`guard`). Where writes are off, nobody may.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Form, Request
from starlette.exceptions import HTTPException

from dissect.serve.auth import writes_allowed
from dissect.serve.sessions import COOKIE, Sessions
from dissect.store import Store
from dissect.store.tokens import TokenRecord

UNKNOWN = "this needs a valid access token. `dissect token create` makes one; /login takes it."


@dataclass(frozen=True)
class Visitor:
    """Who looks at a page. token: None for who is not logged in. word: what this visitor's forms must carry. writes: whether any may."""

    writes: bool = False
    token: TokenRecord | None = None
    word: str = ""

    def may(self, scope: str) -> bool:
        """Whether a form for this is of use."""
        return self.writes and self.token is not None and self.token.allows(scope)


def store(request: Request) -> Store:
    """The store, for routes that write."""
    found: Store = request.app.state.store
    return found


def visitor(request: Request) -> Visitor:
    """Who looks at a page; nobody is asked where writes are off."""
    if not request.app.state.settings.allow_writes:
        return Visitor()
    value = request.cookies.get(COOKIE, "")
    token = _of_cookie(request, value)
    sessions: Sessions = request.app.state.sessions
    return Visitor(True, token, sessions.form_word(value) if token else "")


def program(scope: str) -> Callable[..., TokenRecord]:
    """For routes of the API: the caller's token, which must have this scope."""

    def allowed(request: Request, _: Annotated[None, Depends(writes_allowed)]) -> TokenRecord:
        kind, _blank, secret = request.headers.get("authorization", "").partition(" ")
        token = store(request).tokens().check(secret.strip()) if kind.lower() == "bearer" else None
        return _with(scope, token, {"WWW-Authenticate": "Bearer"})

    return allowed


def person(scope: str) -> Callable[..., TokenRecord]:
    """For forms: the token of the visitor's session, which must have this scope."""

    def allowed(
        request: Request, _: Annotated[None, Depends(writes_allowed)], word: Annotated[str, Form(max_length=200)] = ""
    ) -> TokenRecord:
        value = request.cookies.get(COOKIE, "")
        token = _with(scope, _of_cookie(request, value))
        sessions: Sessions = request.app.state.sessions
        if "origin" not in request.headers or not sessions.is_form_word(value, word):
            raise HTTPException(403, "this form was not made for your session. Load the page again, then send it once more.")
        return token

    return allowed


def may_write(token: TokenRecord) -> bool:
    """Whether a session with this token is of use."""
    return token.allows("review") or token.allows("jobs")


def _of_cookie(request: Request, value: str) -> TokenRecord | None:
    sessions: Sessions = request.app.state.sessions
    number = sessions.read(value)
    found = None if number is None else store(request).tokens().valid(number)
    return found if found is not None and may_write(found) else None


def _with(scope: str, token: TokenRecord | None, headers: dict[str, str] | None = None) -> TokenRecord:
    """The token, if there is one and it may do this.

    Raises:
        HTTPException: 401, no valid token; 403, a token without the scope.
    """
    if token is None:
        raise HTTPException(401, UNKNOWN, headers)
    if not token.allows(scope):
        raise HTTPException(403, f"the token {token.name} has no scope {scope}.")
    return token


Writable = Annotated[Store, Depends(store)]
Who = Annotated[Visitor, Depends(visitor)]
