"""Pages of jobs: the list with a form for a new one, and how far one is. They work without JavaScript."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse

from dissect.pipeline.jobs import MOST_TEXT, JobRequest, names
from dissect.serve import links
from dissect.serve.auth import Limits, Read
from dissect.serve.jobs_api import Number, submit
from dissect.serve.pages import render
from dissect.serve.routing import OneState
from dissect.serve.write import Who, Writable, person
from dissect.store.runs import MOST_ID
from dissect.store.tokens import TokenRecord

router = APIRouter(include_in_schema=False, route_class=OneState)
MOST_JOBS = 50
AGAIN = {"Refresh": "5"}
"""A page of a job that is under way is loaded again by the browser itself."""
Token = Annotated[TokenRecord, Depends(person("jobs"))]
Text = Annotated[str, Form(max_length=MOST_TEXT)]


@router.get("/jobs", response_class=HTMLResponse)
def jobs(who: Who, store: Writable, limits: Limits, before: Annotated[int | None, Query(ge=1, le=MOST_ID)] = None) -> str:
    """Jobs, newest first; for who may, the form."""
    found = store.jobs().jobs(limit=MOST_JOBS + 1, before=before)
    choices = {kind: names(kind, store, limits.cards) if who.may("jobs") else [] for kind in ("model", "data")}
    return render(
        "jobs.html", title="Jobs", who=who, jobs=found[:MOST_JOBS], choices=choices, data=f"{links.API}/jobs",
        following=found[MOST_JOBS - 1].id if len(found) > MOST_JOBS else None,
    )  # fmt: skip


@router.get("/jobs/{job}")
def job(who: Who, read: Read, store: Writable, job: Number) -> HTMLResponse:
    """One job, how far it is, and what can be done about it."""
    found = store.jobs().job(job)
    stages = [] if found.run_id is None else store.progress(found.run_id)
    page = render(
        "job.html", title=f"job {found.id}: {found.state}", who=who, job=found, progress=stages,
        path=[("Jobs", "/jobs"), (f"job {found.id}", "")], data=f"{links.API}{links.job(found.id)}",
    )  # fmt: skip
    return HTMLResponse(page, headers={} if found.over else AGAIN)


@router.post("/jobs")
def add(
    store: Writable, limits: Limits, token: Token, model: Text, data: Text, layers: Text = "", limit: Text = "",
    compositional: Annotated[bool, Form()] = False,
) -> RedirectResponse:  # fmt: skip
    """The form of the list."""
    asked = {
        "model": model, "data": data, "layers": [part.strip() for part in layers.split(",") if part.strip()],
        "limit": int(limit) if limit.strip().isdecimal() and len(limit) < 10 else limit.strip() or None,
        "methods": ["netdissect", "compositional"] if compositional else ["netdissect"],
    }  # fmt: skip
    return RedirectResponse(links.job(submit(store, limits, JobRequest.from_plain(asked), token.name).id), 303)


@router.post("/jobs/{job}/cancel")
def cancel(store: Writable, _: Token, job: Number) -> RedirectResponse:
    """The form of a job that is not over."""
    store.jobs().cancel(job)
    return RedirectResponse(links.job(job), 303)


@router.post("/jobs/{job}/resume")
def resume(store: Writable, _: Token, job: Number) -> RedirectResponse:
    """The form of a job that failed or was cancelled."""
    store.jobs().resume(job)
    return RedirectResponse(links.job(job), 303)
