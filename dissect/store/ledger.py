"""The queue of shards in SQL: `probe.ledger.Ledger` over the tables `stage`, `run_stage` and `shard`.

A shard is taken with a lease. The token decides, never the clock: a result is accepted exactly if the shard still carries its
token. The clock only says when a silent worker is given up. If it jumps ahead, a live worker may lose its shard (its late result is
refused, the other's stands); if it is set back, a lease that ends further away than a lease lasts is begun anew, so that no live lease
is handed out twice and none lasts for ever.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Select, and_, select, update

from dissect.errors import LeaseLostError, NotFoundError
from dissect.fingerprint import Plain
from dissect.probe.ledger import Claim, DoneShard, Stage
from dissect.store import owner, schema
from dissect.store.database import reading, seconds, writing
from dissect.store.types import now
from dissect.store.write import insert_missing, upsert

_FREE: dict[str, Any] = {"state": "open", "owner": None, "token": None, "lease_until": None}
_EMPTY: dict[str, Any] = {"file": None, "sha256": None, "size": None, "counts": None}


class SqlLedger:
    """A leased queue of shards that many processes may share.

    run_id: the run that the stages opened here belong to. lease_seconds: how long a worker may be silent. clock: seconds since 1970,
    the database's own if None.
    """

    def __init__(
        self, engine: Engine, run_id: int | None = None, *, lease_seconds: float = 1800.0, clock: Callable[[], float] | None = None
    ) -> None:
        self._engine = engine
        self._run_id = run_id
        self._lease = lease_seconds
        self._clock = clock
        self._owner = owner.me()

    def open(self, stage: Stage, ranges: Sequence[tuple[int, int]]) -> None:
        """Make the stage known, with its shards, as one of this run's; a stage that is known already is left as it is."""
        with writing(self._engine) as connection:
            known = _stage_id(connection, stage.fingerprint)
            if known is None:
                known = upsert(connection, schema.stage, {"fingerprint": stage.fingerprint}, {
                    "step": stage.step, "layer": stage.layer, "settings": stage.settings, "created_at": now(),
                })  # fmt: skip
                insert_missing(connection, schema.shard, [
                    {"stage_id": known, "index": index, "first": first, "stop": stop, **_FREE}
                    for index, (first, stop) in enumerate(ranges)
                ])  # fmt: skip
            if self._run_id is not None:
                insert_missing(connection, schema.run_stage, [{"run_id": self._run_id, "stage_id": known}])

    def claim(self, stage: str, index: int | None = None) -> Claim | None:
        """Take the lowest shard that is open, whose lease ran out or whose owner is gone (or the one asked for)."""
        with writing(self._engine) as connection:
            time = self._time(connection)
            number = _known(connection, stage)
            for candidate in connection.execute(_waiting(number, index)).scalars().all():
                row = connection.execute(_locked(number, candidate)).mappings().first()
                if row is not None and (row["state"] == "open" or self._expired(connection, row, time)):
                    return self._take(connection, stage, row, time)
        return None

    def renew(self, claim: Claim) -> None:
        """Say that the work on a shard goes on: its lease begins anew.

        Raises:
            LeaseLostError: another worker has it.
        """
        with writing(self._engine) as connection:
            until = self._time(connection) + self._lease
            if not _change(connection, claim, {"lease_until": until}):
                raise _lost(claim)

    def complete(self, claim: Claim, file: str, sha256: str, size: int, counts: Mapping[str, Plain]) -> None:
        """Check a shard in, in one transaction.

        Raises:
            LeaseLostError: another worker holds or finished the shard; its result stands.
        """
        done = {"file": file, "sha256": sha256, "size": size, "counts": dict(counts)}
        with writing(self._engine) as connection:
            if not _change(connection, claim, {**_FREE, **done, "state": "done"}):
                raise _lost(claim)

    def release(self, claim: Claim) -> None:
        """Give a claim back unfinished; nothing happens if it was lost already."""
        with writing(self._engine) as connection:
            _change(connection, claim, _FREE)

    def done(self, stage: str) -> list[DoneShard]:
        """Every shard that is checked in, by index; none for an unknown stage."""
        table = schema.shard
        query = select(table).join(schema.stage).where(schema.stage.c.fingerprint == stage, table.c.state == "done")
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(table.c.index)).mappings().all()
        names = ("index", "first", "stop", "file", "sha256", "size", "counts")
        return [DoneShard(stage, **{name: row[name] for name in names}) for row in rows]

    def reject(self, stage: str, index: int) -> None:
        """Open a finished shard again, because its file is missing or damaged. One that is at work is left alone."""
        table = schema.shard
        with writing(self._engine) as connection:
            here = (table.c.stage_id == _known(connection, stage), table.c.index == index, table.c.state == "done")
            connection.execute(update(table).where(*here).values(**_FREE, **_EMPTY))

    def _take(self, connection: Connection, stage: str, row: RowMapping, time: float) -> Claim:
        table, token = schema.shard, secrets.token_hex(16)
        here = and_(table.c.stage_id == row["stage_id"], table.c.index == row["index"])
        lease = {"state": "leased", "owner": self._owner, "token": token, "lease_until": time + self._lease}
        connection.execute(update(table).where(here).values(**lease))
        return Claim(stage, row["index"], row["first"], row["stop"], token)

    def _expired(self, connection: Connection, row: RowMapping, time: float) -> bool:
        if row["lease_until"] <= time or owner.is_gone(row["owner"]):
            return True
        if row["lease_until"] > time + self._lease:
            table = schema.shard
            here = and_(table.c.stage_id == row["stage_id"], table.c.index == row["index"])
            connection.execute(update(table).where(here).values(lease_until=time + self._lease))
        return False

    def _time(self, connection: Connection) -> float:
        return self._clock() if self._clock is not None else seconds(connection)


def _waiting(stage_id: int, index: int | None) -> Select[Any]:
    """Indices of shards that are not done, lowest first."""
    table = schema.shard
    query = select(table.c.index).where(table.c.stage_id == stage_id, table.c.state != "done").order_by(table.c.index)
    return query if index is None else query.where(table.c.index == index)


def _locked(stage_id: int, index: int) -> Select[Any]:
    """One shard that is still not done, locked; none if another claim has it locked (PostgreSQL; SQLite has one writer at a time)."""
    table = schema.shard
    query = select(table).where(table.c.stage_id == stage_id, table.c.index == index, table.c.state != "done")
    return query.with_for_update(skip_locked=True)


def _change(connection: Connection, claim: Claim, values: Mapping[str, Any]) -> bool:
    """Change the shard if it is still this claim's. The token alone decides."""
    table = schema.shard
    stage = select(schema.stage.c.id).where(schema.stage.c.fingerprint == claim.stage).scalar_subquery()
    here = (table.c.stage_id == stage, table.c.index == claim.index, table.c.state == "leased", table.c.token == claim.token)
    return connection.execute(update(table).where(*here).values(**values)).rowcount == 1


def _lost(claim: Claim) -> LeaseLostError:
    return LeaseLostError(
        f"shard {claim.index} of stage {claim.stage[:12]} was taken over by another worker; its result stands, this one is dropped."
    )


def _stage_id(connection: Connection, fingerprint: str) -> int | None:
    return connection.execute(select(schema.stage.c.id).where(schema.stage.c.fingerprint == fingerprint)).scalar()


def _known(connection: Connection, fingerprint: str) -> int:
    found = _stage_id(connection, fingerprint)
    if found is None:
        raise NotFoundError(f"there is no stage {fingerprint[:12]}: never opened, or its run was deleted. Run the same command again.")
    return found
