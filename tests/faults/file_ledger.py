"""A ledger that outlives its process: finished shards in one JSON file, written whole or not at all; claims die with their process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from dissect.atomic import write_text
from dissect.fingerprint import Plain
from dissect.probe.ledger import Claim, DoneShard, MemoryLedger, Stage


class FileLedger(MemoryLedger):
    """For one process at a time."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._saved: dict[str, list[DoneShard]] = {}
        for left in path.parent.glob(f".{path.name}.*.tmp"):
            left.unlink()
        if path.is_file():
            for row in json.loads(path.read_text()):
                self._saved.setdefault(row["stage"], []).append(DoneShard(**row))

    def open(self, stage: Stage, ranges: Sequence[tuple[int, int]]) -> None:
        super().open(stage, ranges)
        for shard in self._saved.pop(stage.fingerprint, []):
            self._rows[stage.fingerprint][shard.index].done = shard

    def complete(self, claim: Claim, file: str, sha256: str, size: int, counts: Mapping[str, Plain]) -> None:
        super().complete(claim, file, sha256, size, counts)
        self._save()

    def reject(self, stage: str, index: int) -> None:
        super().reject(stage, index)
        self._save()

    def done(self, stage: str) -> list[DoneShard]:
        return super().done(stage) if stage in self._rows else sorted(self._saved.get(stage, []), key=lambda shard: shard.index)

    def rows(self) -> list[DoneShard]:
        """Every finished shard, in order."""
        known = [shard for stage in self._rows for shard in MemoryLedger.done(self, stage)]
        return sorted(known + [shard for shards in self._saved.values() for shard in shards], key=lambda shard: (shard.stage, shard.index))

    def _save(self) -> None:
        write_text(self._path, json.dumps([asdict(shard) for shard in self.rows()]))
