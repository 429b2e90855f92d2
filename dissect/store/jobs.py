"""Jobs: runs that were asked for, as a leased queue that many workers share. The idiom is that of `ledger`, a job in place of a shard.

    queued ─► leased ─► running ─► done | failed | cancelled         (leased: taken, running: its run has begun)
       ▲________|__________|   given back, to be tried again, or taken over from a silent worker

The token decides, never the clock: only who holds the job's token may change it, or write what it is about (`Store.held`). The clock,
the database's own, only says when a silent worker is given up. A job that was often tried goes behind those that were not, and one that
lost every worker fails: no job blocks the queue.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Select, and_, or_, select, update

from dissect.errors import LeaseLostError, NotFoundError, UsageError
from dissect.fingerprint import Plain
from dissect.store import owner, schema
from dissect.store.database import reading, seconds, writing
from dissect.store.job_records import JobClaim, JobRecord
from dissect.store.runs import MOST_ID
from dissect.store.types import now

MOST_ATTEMPTS = 5
"""A job is taken up at most so often; then it fails, and only a person can queue it again."""
RETRY_SECONDS = 30.0
"""What a job waits before it is tried again, times the attempts so far."""
AT_WORK = ("leased", "running")
OVER = ("done", "failed", "cancelled")

_FREE: dict[str, Any] = {"owner": None, "token": None, "lease_until": None}


class JobQueue:
    """The jobs of a database. lease_seconds: how long a worker may be silent. clock: seconds since 1970, the database's own if None."""

    def __init__(self, engine: Engine, *, lease_seconds: float = 120.0, clock: Callable[[], float] | None = None) -> None:
        self._engine = engine
        self._lease = lease_seconds
        self._clock = clock
        self._owner = owner.me()

    def submit(self, request: Mapping[str, Plain], by: str) -> JobRecord:
        """Queue a request."""
        table = schema.job
        row = {
            "state": "queued", "request": dict(request), "submitted_by": by, "created_at": now(), "started_at": None, "finished_at": None,
            "attempts": 0, "cancel": False, "step": "", "counted": "", "done": 0, "total": 0, **_FREE, "not_before": None, "message": "",
            "run_id": None,
        }  # fmt: skip
        with writing(self._engine) as connection:
            number = connection.execute(table.insert().values(**row).returning(table.c.id)).scalar_one()
            return _find(connection, number)

    def jobs(self, state: str | None = None, limit: int = 50, before: int | None = None) -> list[JobRecord]:
        """Jobs, newest first; before: only those with a lower number (for the next page)."""
        table = schema.job
        query = select(table).order_by(table.c.id.desc()).limit(max(limit, 0))
        if state is not None:
            query = query.where(table.c.state == state)
        if before is not None:
            query = query.where(table.c.id < min(before, MOST_ID))
        with reading(self._engine) as connection:
            return [_record(row) for row in connection.execute(query).mappings()]

    def job(self, number: int) -> JobRecord:
        """One job.

        Raises:
            NotFoundError: there is none of that number.
        """
        with reading(self._engine) as connection:
            return _find(connection, number)

    def cancel(self, number: int) -> JobRecord:
        """Cancel a job: at once if it is queued; one at work is asked to stop, which it does at its next step. One that is over stays.

        Raises:
            NotFoundError: there is none of that number.
        """
        table = schema.job
        with writing(self._engine) as connection:
            _find(connection, number)
            here = table.c.id == number
            gone = {"state": "cancelled", "finished_at": now(), "message": "cancelled before it began", "cancel": True}
            connection.execute(update(table).where(here, table.c.state == "queued").values(**gone))
            connection.execute(update(table).where(here, table.c.state.in_(AT_WORK)).values(cancel=True))
            return _find(connection, number)

    def resume(self, number: int) -> JobRecord:
        """Queue a failed or cancelled job again; it goes on from what is finished.

        Raises:
            NotFoundError: there is none of that number. UsageError: it is done, queued, or at work.
        """
        table = schema.job
        again = {"state": "queued", "attempts": 0, "cancel": False, "message": "", "finished_at": None, "not_before": None}
        with writing(self._engine) as connection:
            found = _find(connection, number)
            if found.state not in ("failed", "cancelled"):
                raise UsageError(f"job {number} is {found.state}. Only a failed or cancelled job can be resumed.")
            connection.execute(update(table).where(table.c.id == number).values(**again))
            return _find(connection, number)

    def claim(self) -> JobClaim | None:
        """Take the next job: of those that are queued, or whose worker is gone or silent, the one tried least, then the oldest."""
        with writing(self._engine) as connection:
            time = self._time(connection)
            for number in connection.execute(_waiting(time)).scalars().all():
                row = connection.execute(_locked(number)).mappings().first()
                if row is None or not self._free(connection, row, time):
                    continue
                if row["cancel"] or row["attempts"] >= MOST_ATTEMPTS:
                    self._give_up(connection, row)
                    continue
                return self._take(connection, row, time)
        return None

    def renew(self, claim: JobClaim, step: str = "", done: int = 0, total: int = 0, counted: str = "") -> bool:
        """Say that the work goes on, and how far it is. Returns whether the job is to be cancelled.

        Raises:
            LeaseLostError: another worker has it.
        """
        with writing(self._engine) as connection:
            values = {"step": step, "done": done, "total": total, "counted": counted, "lease_until": self._time(connection) + self._lease}
            _change(connection, claim, values)
            return bool(connection.execute(select(schema.job.c.cancel).where(schema.job.c.id == claim.id)).scalar_one())

    def began(self, claim: JobClaim, run_id: int) -> None:
        """The job's run has begun; `LeaseLostError` as in `renew`."""
        with writing(self._engine) as connection:
            _change(connection, claim, {"state": "running", "run_id": run_id})

    def finish(self, claim: JobClaim, state: str, message: str = "") -> None:
        """The job is `done`, `failed` or `cancelled`; `LeaseLostError` as in `renew`."""
        with writing(self._engine) as connection:
            _change(connection, claim, {**_FREE, "state": state, "message": message, "finished_at": now()})

    def retry(self, claim: JobClaim, message: str) -> bool:
        """The attempt failed and the next may not: queue the job again, after a while, or fail it. Returns whether it is queued."""
        with writing(self._engine) as connection:
            if claim.attempt >= MOST_ATTEMPTS:
                _change(connection, claim, {**_FREE, "state": "failed", "message": message, "finished_at": now()})
                return False
            later = self._time(connection) + RETRY_SECONDS * claim.attempt
            _change(connection, claim, {**_FREE, "state": "queued", "message": message, "not_before": later})
            return True

    def release(self, claim: JobClaim) -> None:
        """Give a job back, because the worker is stopped: that was no attempt. Nothing happens if it was lost already."""
        table = schema.job
        values = {**_FREE, "state": "queued", "attempts": claim.attempt - 1}
        with writing(self._engine) as connection:
            connection.execute(update(table).where(_held(claim)).values(**values))

    def guard(self, claim: JobClaim) -> Callable[[Connection], None]:
        """For `database.guarded`: no transaction writes unless the job is still this claim's, and none takes it over meanwhile.

        The lock (on PostgreSQL) is the weakest that keeps a takeover away: a beat, or a wish to cancel, need not wait for the transaction.
        """
        query = select(schema.job.c.id).where(_held(claim)).with_for_update(read=True, key_share=True)

        def check(connection: Connection) -> None:
            if connection.execute(query).first() is None:
                raise _lost(claim)

        return check

    def _take(self, connection: Connection, row: RowMapping, time: float) -> JobClaim:
        table, token, attempt = schema.job, secrets.token_hex(16), row["attempts"] + 1
        lease = {
            "state": "leased", "owner": self._owner, "token": token, "lease_until": time + self._lease, "attempts": attempt,
            "started_at": row["started_at"] or now(), "not_before": None, "step": "", "done": 0, "total": 0, "counted": "",
        }  # fmt: skip
        connection.execute(update(table).where(table.c.id == row["id"]).values(**lease))
        if row["owner"] is not None:
            _free_shards(connection, row["owner"])
        return JobClaim(row["id"], token, attempt, row["request"], self._lease)

    def _give_up(self, connection: Connection, row: RowMapping) -> None:
        """A job whose worker fell silent, and that was to be cancelled, or has lost too many workers."""
        where = row["step"] or "its beginning"
        lost = f"its worker was lost {row['attempts']} times, the last time at {where}. Look for a lack of memory there."
        state, message = ("cancelled", "cancelled") if row["cancel"] else ("failed", row["message"] or lost)
        over = {**_FREE, "state": state, "message": message, "finished_at": now()}
        connection.execute(update(schema.job).where(schema.job.c.id == row["id"]).values(**over))

    def _free(self, connection: Connection, row: RowMapping, time: float) -> bool:
        if row["state"] == "queued" or row["lease_until"] <= time or owner.is_gone(row["owner"]):
            return True
        if row["lease_until"] > time + self._lease:  # the clock was set back: the lease begins anew, and lasts no longer than one lasts
            later = {"lease_until": time + self._lease}
            connection.execute(update(schema.job).where(schema.job.c.id == row["id"]).values(**later))
        return False

    def _time(self, connection: Connection) -> float:
        return self._clock() if self._clock is not None else seconds(connection)


def _free_shards(connection: Connection, silent: str) -> None:
    """Open the shards of a worker that has lost its job: it may not write any more, and their own leases last much longer than a job's."""
    table = schema.shard
    free = {**_FREE, "state": "open"}
    connection.execute(update(table).where(table.c.state == "leased", table.c.owner == silent).values(**free))


def _waiting(time: float) -> Select[Any]:
    """Numbers of jobs that may be free, the least tried first."""
    table = schema.job
    ready = and_(table.c.state == "queued", or_(table.c.not_before.is_(None), table.c.not_before <= time))
    return select(table.c.id).where(or_(ready, table.c.state.in_(AT_WORK))).order_by(table.c.attempts, table.c.id)


def _locked(number: int) -> Select[Any]:
    """One job that is not over, locked; none if another claim has it locked (PostgreSQL; SQLite has one writer at a time)."""
    table = schema.job
    return select(table).where(table.c.id == number, table.c.state.not_in(OVER)).with_for_update(skip_locked=True)


def _held(claim: JobClaim) -> ColumnElement[bool]:
    table = schema.job
    return and_(table.c.id == claim.id, table.c.state.in_(AT_WORK), table.c.token == claim.token)


def _change(connection: Connection, claim: JobClaim, values: Mapping[str, Any]) -> None:
    """Change the job if it is still this claim's."""
    if connection.execute(update(schema.job).where(_held(claim)).values(**values)).rowcount != 1:
        raise _lost(claim)


def _lost(claim: JobClaim) -> LeaseLostError:
    return LeaseLostError(f"job {claim.id} was taken over by another worker; what that one writes stands, this one stops.")


def _find(connection: Connection, number: int) -> JobRecord:
    table = schema.job
    wanted = number if 0 < number <= MOST_ID else -1
    row = connection.execute(select(table).where(table.c.id == wanted)).mappings().first()
    if row is None:
        ids = connection.execute(select(table.c.id).order_by(table.c.id.desc()).limit(10)).scalars().all()
        there = f"Jobs: {', '.join(map(str, ids))}." if ids else "There is none yet; `dissect jobs submit` makes one."
        raise NotFoundError(f"there is no job {number}. {there}")
    return _record(row)


def _record(row: RowMapping) -> JobRecord:
    return JobRecord(**{name: row[name] for name in JobRecord.__dataclass_fields__})
