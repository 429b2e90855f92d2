"""The application: routes, errors, guard. `create_app(store, settings)` is all that a server needs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import anyio.to_thread
from fastapi import FastAPI
from fastapi.routing import APIRoute

from dissect import __version__
from dissect.serve import (
    api,
    assets,
    concept_page,
    errors,
    home,
    jobs_api,
    jobs_pages,
    layer_page,
    links,
    login,
    other_pages,
    pages,
    reviews,
    run_pages,
    search_page,
    unit_page,
)
from dissect.serve.guard import Guard
from dissect.serve.read import Reader
from dissect.serve.sessions import Sessions
from dissect.serve.settings import THREADS, Settings
from dissect.store import Store

ABOUT = "What the units of vision networks detect, how sure we are, and how we know. Reads one database; pages and API have the same paths."
SILENT: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""Newer FastAPI can report to a collector named in the environment; this service tells nobody anything."""
ROUTERS = (
    api.router, assets.router, home.router, search_page.router, unit_page.router, layer_page.router, concept_page.router, run_pages.router,
    other_pages.router, reviews.router, jobs_api.router, jobs_pages.router, login.router,
)  # fmt: skip
"""In order: a path that ends in `.json` or `.csv` is data before it is a page's name."""


def create_app(store: Store, settings: Settings) -> FastAPI:
    """The service over an open store. The store is the caller's to close."""
    app = FastAPI(
        title="dissect", version=__version__, description=ABOUT, docs_url=None, redoc_url=None, openapi_url=f"{links.API}/openapi.json",
        lifespan=_lifespan, redirect_slashes=False, telemetry=SILENT,
    )  # fmt: skip
    app.state.reader = Reader(store)
    app.state.store = store
    app.state.sessions = Sessions()
    app.state.settings = settings
    for router in ROUTERS:
        app.include_router(router)
    errors.install(app)
    app.add_middleware(Guard, limits=settings)
    return app


def routes() -> list[APIRoute]:
    """Every route of the service. Newer FastAPI keeps included routers apart, so that `app.routes` does not show them."""
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """No more requests at once than the database has connections, and the first one as quick as the next."""
    pages.warm()
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield

