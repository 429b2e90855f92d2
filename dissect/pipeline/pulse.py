"""What keeps a job alive while its run is worked on: a lease that is renewed, numbers that are reported, a wish to stop that is heard."""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType

from dissect.errors import LeaseLostError, StoreError
from dissect.probe.progress import Progress
from dissect.store import JobClaim
from dissect.store.jobs import JobQueue

MOST_SECONDS = 2.0
"""Between two beats: how stale the progress that others see may be, and how long a wish to stop may go unheard."""


class Cancelled(KeyboardInterrupt):
    """The job is to be cancelled. An interrupt, because that is what it is for the run: what is finished stays, and it can go on."""


class Pulse:
    """Progress that is reported to the queue. A thread beats, because one step may take longer than a lease; steps only leave numbers.

    Every step and every advance raises `Cancelled` if the job is to stop, or `LeaseLostError` if another worker has it.
    """

    def __init__(self, queue: JobQueue, claim: JobClaim, inner: Progress, every: float | None = None) -> None:
        self._queue = queue
        self._claim = claim
        self._inner = inner
        self._every = min(MOST_SECONDS, claim.lease_seconds / 4) if every is None else every
        self._state = ("", 0, 0, "")
        self._cancel = False
        self._lost: LeaseLostError | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beats, name=f"job {claim.id}", daemon=True)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def start(self, step: str, total: int, unit: str = "image") -> None:
        self._state = (step, 0, total, unit)
        self._inner.start(step, total, unit)
        self.look()

    def advance(self, n: int = 1) -> None:
        step, done, total, unit = self._state
        self._state = (step, done + n, total, unit)
        self._inner.advance(n)
        self.look()

    def done(self) -> None:
        self._inner.done()

    def look(self) -> None:
        """Stop if the job is to stop.

        Raises:
            Cancelled: somebody cancelled it. LeaseLostError: another worker has it.
        """
        if self._lost is not None:
            raise self._lost
        if self._cancel:
            raise Cancelled

    def beat(self) -> None:
        """Renew the lease and report; a database that does not answer is asked again at the next beat, as long as the lease lasts."""
        try:
            self._cancel = self._queue.renew(self._claim, *self._state) or self._cancel
        except LeaseLostError as error:
            self._lost = error
        except StoreError:
            with contextlib.suppress(StoreError):
                self._cancel = self._queue.job(self._claim.id).cancel or self._cancel

    def _beats(self) -> None:
        while not self._over.wait(self._every):
            self.beat()
