"""What must be in order for the work: versions, torchvision, devices, folders, database, kernels, speed."""

from __future__ import annotations

import platform
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

from dissect import atomic
from dissect.config import Config
from dissect.errors import DissectError


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    fine: bool
    finding: str
    remedy: str = ""


def examine(config: Config, *, quick: bool = False) -> list[Finding]:
    """Look at everything; a check that breaks is itself a finding, so that one fault does not hide another."""
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("python", _python),
        ("torch", _torch),
        ("torchvision", _torchvision),
        ("devices", _devices),
        ("home", lambda: _home(config)),
        ("database", lambda: _database(config)),
        ("sqlite", _sqlite),
        ("shipped", _shipped),
    ]
    if not quick:
        checks.append(("kernels", _kernels))
    return [_guarded(name, check) for name, check in checks]


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except DissectError as error:
        return Finding(name, False, str(error))
    except Exception as error:  # a broken installation may fail in any way, and that is what is to be told
        return Finding(name, False, f"{type(error).__name__}: {error}", "Install again: pip install --force-reinstall neuron-dissect")


def _python() -> Finding:
    return Finding("python", True, f"{platform.python_version()} on {platform.machine()}, dissect {metadata.version('neuron-dissect')}")


def _torch() -> Finding:
    import torch

    return Finding("torch", True, f"{torch.__version__}, {torch.get_num_threads()} threads")


def _torchvision() -> Finding:
    from dissect.network.torchvision_guard import guarded, load_torchvision

    version = load_torchvision().__version__
    how = "operators of a CPU build of torch were stood in for" if guarded() else "whole"
    return Finding("torchvision", True, f"{version}, {how}")


def _devices() -> Finding:
    import torch

    found = ["cpu"]
    if torch.cuda.is_available():
        found.append(f"cuda ({torch.cuda.get_device_name(0)})")
    if torch.backends.mps.is_available():
        found.append("mps")
    return Finding("devices", True, ", ".join(found))


def _home(config: Config) -> Finding:
    probe = config.home / ".doctor"
    atomic.write_bytes(probe, b"")
    probe.unlink()
    return Finding("home", True, f"{config.home} can be written")


def _database(config: Config) -> Finding:
    from dissect.store import Store

    with Store.open(config.database_url) as store:
        return Finding("database", True, f"{store.url}, {store.counts().get('run', 0)} runs")


def _sqlite() -> Finding:
    from dissect.store.database import wal_is_safe

    version = sqlite3.sqlite_version
    return Finding(
        "sqlite",
        True,
        f"{version}, journal {'WAL' if wal_is_safe(sqlite3.sqlite_version_info) else 'TRUNCATE (WAL has a known fault in it)'}",
    )


def _shipped() -> Finding:
    from dissect.paths import shipped

    cards = len(list(shipped("datasets").glob("*.toml"))), len(list(shipped("models").glob("*.toml")))
    return Finding("shipped", all(cards), f"{cards[0]} data-set cards, {cards[1]} network cards, migrations {shipped('migrations').name}")


def _kernels() -> Finding:
    from dissect.probe.warm import warm

    began = time.perf_counter()
    warm()
    took = time.perf_counter() - began
    return Finding("kernels", True, f"compiled and ready in {took:.1f} s")
