"""How the tests run a probe, and one hash for all that comes out of it."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numba
import numpy as np

from dissect.concepts.model import ProbeSet
from dissect.probe.cache import Cache
from dissect.probe.ledger import Ledger, MemoryLedger
from dissect.probe.progress import Quiet
from dissect.probe.runner import ProbeResult, ProbeSettings, probe
from tests.probe.fakes import FakeNetwork

SMALL = ProbeSettings(shard_images=8, batch_size=4, quantile=0.05)


def run(tmp_path: Path, network: FakeNetwork, data: ProbeSet, ledger: Ledger | None = None, **settings: Any) -> ProbeResult:
    """Probe with one kernel thread, unless the caller set more: tiny arrays are slower with two."""
    numba.set_num_threads(settings.pop("threads", 1))
    return probe(network, data, replace(SMALL, **settings), Cache(tmp_path / "cache"), ledger or MemoryLedger(), Quiet())


def result_hash(result: ProbeResult, *, fingerprints: bool = True) -> str:
    """One number for everything a result says, bit for bit."""
    digest = hashlib.sha256()

    def take(value: Any) -> None:
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype}{value.shape}".encode() + value.tobytes())
        elif isinstance(value, tuple):
            for item in value:
                take(item)
        elif hasattr(value, "__dataclass_fields__"):
            for each in fields(value):
                if fingerprints or each.name != "fingerprint":
                    take(getattr(value, each.name))
        elif isinstance(value, dict):
            for key in sorted(value):
                take((key, value[key]))
        else:
            digest.update(repr(value).encode())

    take((result.layers, result.images, result.skipped, result.label_size, result.image_level, dict(result.image_files)))
    return digest.hexdigest()


def tree(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, hidden ones too, by relative path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
