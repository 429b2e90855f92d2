"""Who may do what. Reading needs nothing; a route that writes states it, and is refused where writing is off."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from dissect.serve.read import Reader
from dissect.serve.settings import Settings


async def reader(request: Request) -> Reader:
    """The store as pages and API read it."""
    found: Reader = request.app.state.reader
    return found


async def settings(request: Request) -> Settings:
    """What this service may do."""
    found: Settings = request.app.state.settings
    return found


async def writes_allowed(request: Request) -> None:
    """For every route that changes the database: `dependencies=[Depends(writes_allowed)]`.

    Raises:
        HTTPException: 403, the service was started read-only.
    """
    if not request.app.state.settings.allow_writes:
        raise HTTPException(403, "this service is read-only. Start it with --allow-writes to let it change the database.")


Read = Annotated[Reader, Depends(reader)]
Limits = Annotated[Settings, Depends(settings)]
