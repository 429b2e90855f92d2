"""Jobs over HTTP, for programs: submitted by registered names, looked at, cancelled, queued again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from dissect.pipeline.jobs import MOST_LAYERS, MOST_TEXT, JobRequest, resolved
from dissect.serve import links
from dissect.serve.api import ERRORS
from dissect.serve.auth import Limits
from dissect.serve.settings import Settings
from dissect.serve.shapes import Shape
from dissect.serve.write import Writable, program
from dissect.store import JobRecord, Store
from dissect.store.runs import MOST_ID
from dissect.store.tokens import TokenRecord

router = APIRouter(prefix=links.API, tags=["jobs"])
Number = Annotated[int, Path(ge=1, le=MOST_ID)]
State = Literal["queued", "leased", "running", "done", "failed", "cancelled"]
Text = Annotated[str, Field(min_length=1, max_length=MOST_TEXT)]
Count = Annotated[int, Field(ge=1, le=MOST_ID)]
Token = Annotated[TokenRecord, Depends(program("jobs"))]


class JobAsk(BaseModel):
    """A run to be made, as in `dissect run`. model, data: registered names. What is left out takes its default."""

    model_config = ConfigDict(extra="forbid")

    model: Text
    data: Text
    layers: Annotated[list[Text], Field(max_length=MOST_LAYERS)] = []
    methods: Annotated[list[Text], Field(max_length=10)] | None = None
    split: Text | None = None
    limit: Count | None = None
    profile: Text | None = None
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = None
    threshold: Annotated[float, Field(ge=0, lt=1)] | None = None
    min_images: Count | None = None
    top: Count | None = None
    exemplars: Count | None = None
    colour_naming: bool | None = None


class JobShape(Shape):
    """A job. step, done, total, counted: how far it is, as 40 of 200 of `image`. run_id: null until its run has begun."""

    id: int
    state: State
    request: dict[str, Any]
    submitted_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int
    cancel: bool
    step: str
    counted: str
    done: int
    total: int
    message: str
    run_id: int | None
    href: str = ""


class JobList(Shape):
    """Jobs, newest first. next: hand it to `before` to go on; null at the end."""

    jobs: list[JobShape]
    next: int | None


def submit(store: Store, limits: Settings, request: JobRequest, by: str) -> JobRecord:
    """Queue a run of registered things; `NotFoundError` for a name that is none."""
    resolved(request, store, limits.cards)
    return store.jobs().submit(request.as_plain(), by)


def shape(job: JobRecord) -> JobShape:
    """A job with the address of its page."""
    return JobShape.model_validate(job).model_copy(update={"href": links.job(job.id)})


@router.get("/jobs", response_model=JobList, responses=ERRORS)
def jobs(
    store: Writable, state: Annotated[State | None, Query()] = None, before: Annotated[int | None, Query(ge=1, le=MOST_ID)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> JobList:  # fmt: skip
    """Jobs, newest first."""
    found = store.jobs().jobs(state, limit + 1, before)
    return JobList(jobs=[shape(job) for job in found[:limit]], next=found[limit - 1].id if len(found) > limit else None)


@router.get("/jobs/{job}", response_model=JobShape, responses=ERRORS)
def job(store: Writable, job: Number) -> JobShape:
    """One job."""
    return shape(store.jobs().job(job))


@router.post("/jobs", response_model=JobShape, responses=ERRORS, status_code=201)
def add(request: Request, response: Response, store: Writable, limits: Limits, token: Token, asked: JobAsk) -> JobShape:
    """Submit a run. Needs a token with the scope `jobs`."""
    found = submit(store, limits, JobRequest.from_plain(asked.model_dump(exclude_none=True)), token.name)
    response.headers["Location"] = f"{links.API}{links.job(found.id)}"
    return shape(found)


@router.post("/jobs/{job}/cancel", response_model=JobShape, responses=ERRORS)
def cancel(store: Writable, _: Token, job: Number) -> JobShape:
    """Cancel a job: at once while it waits, at its next step while it runs. Needs the scope `jobs`."""
    return shape(store.jobs().cancel(job))


@router.post("/jobs/{job}/resume", response_model=JobShape, responses=ERRORS)
def resume(store: Writable, _: Token, job: Number) -> JobShape:
    """Queue a failed or cancelled job again; what is finished is kept. Needs the scope `jobs`."""
    return shape(store.jobs().resume(job))
