"""The worker: takes jobs from the queue, one after the other, and does what the command line would do."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dissect.config import Config
from dissect.errors import DissectError, LeaseLostError, UnavailableError
from dissect.pipeline.jobs import JobRequest, resolved
from dissect.pipeline.pulse import Cancelled, Pulse
from dissect.probe.progress import Progress
from dissect.store import JobClaim, JobRecord, RunRecord, Store
from dissect.store.jobs import JobQueue

PASSING = (UnavailableError, ConnectionError, TimeoutError, MemoryError)
"""Causes that may be gone at the next attempt. Everything else would fail again, and is not tried again."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Worker:
    """Works on jobs of one database. threads: that decode images. every: seconds between beats, None for the usual."""

    store: Store
    config: Config
    queue: JobQueue
    progress: Progress
    say: Say = lambda _: None
    threads: int = 1
    every: float | None = None

    def once(self) -> JobRecord | None:
        """Work on the next job, if there is one. Returns it as it is afterwards.

        Raises:
            UnavailableError: the database does not answer; the job, if one was taken, is free when its lease ends.
            KeyboardInterrupt: this worker is to stop; the job was given back.
        """
        claim = self.queue.claim()
        if claim is None:
            return None
        self.say(f"job {claim.id}: attempt {claim.attempt}")
        try:
            self._work(claim)
        except LeaseLostError as error:
            self.say(f"job {claim.id}: {error}")
        job = self.queue.job(claim.id)
        self.say(f"job {job.id}: {job.state}{': ' + job.message if job.message else ''}")
        return job

    def forever(self, poll: float) -> None:
        """Work on whatever comes, and look again every `poll` seconds."""
        while True:
            try:
                found = self.once()
            except UnavailableError as error:
                self.say(str(error))
                found = None
            if found is None:
                time.sleep(poll)

    def _work(self, claim: JobClaim) -> None:
        try:
            with Pulse(self.queue, claim, self.progress, self.every) as pulse:
                message = self._run(claim, pulse)
        except Cancelled:
            self.queue.finish(claim, "cancelled", "cancelled while it ran; what is finished is kept")
        except LeaseLostError:
            raise
        except Exception as error:
            self._failed(claim, error)
        except BaseException:
            self.queue.release(claim)
            raise
        else:
            self.queue.finish(claim, "done", message)

    def _run(self, claim: JobClaim, pulse: Pulse) -> str:
        """Do the job's run, as `dissect run` does it. Returns what is to be said of it."""
        from dissect.pipeline.run import run_request  # imports torch, which an idle worker need not

        def begun(record: RunRecord) -> None:
            self.queue.began(claim, record.id)
            pulse.look()

        store = self.store.held(self.queue, claim)
        request = resolved(JobRequest.from_plain(claim.request), store, self.config.cards)
        outcome = run_request(
            request, self.config, store, pulse, workers=self.threads, report=Path(), say=self.say, began_run=begun
        )  # fmt: skip
        return f"{outcome.skipped} images were skipped" if outcome.skipped else ""

    def _failed(self, claim: JobClaim, error: Exception) -> None:
        """Try again what may pass; a fault of this program fails the job too, and not the worker."""
        message = str(error) if isinstance(error, DissectError) else f"{type(error).__name__}: {error}. This is a fault of dissect."
        if may_pass(error):
            self.queue.retry(claim, message)
        else:
            self.queue.finish(claim, "failed", message)


def may_pass(error: BaseException) -> bool:
    """Whether the error, or one that caused it, may be gone at the next attempt."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, PASSING):
            return True
        seen = seen.__cause__
    return False
