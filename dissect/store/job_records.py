"""Jobs as plain frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dissect.fingerprint import Plain


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job. state: `queued`, `leased`, `running`, `done`, `failed` or `cancelled`.

    request: what was asked for, by registered names. step, done, total, counted: how far it is, as 40 of 200 of `image`. cancel: whether
    it was asked to stop. attempts: how often it was taken up. owner: the process that has it. run_id: None until its run has begun.
    """

    id: int
    state: str
    request: Mapping[str, Plain]
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
    owner: str | None
    message: str
    run_id: int | None

    @property
    def over(self) -> bool:
        """Whether nothing will happen to it by itself."""
        return self.state in ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class JobClaim:
    """The right to work on a job, until its lease of so many seconds runs out. token: new for each claim. attempt: from 1."""

    id: int
    token: str
    attempt: int
    request: Mapping[str, Plain]
    lease_seconds: float
