"""R3: truncations and single flipped bits in every kind of cache file are found, the file is redone, the result is the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dissect.probe.ledger import MemoryLedger
from tests.probe.fakes import FakeNetwork, FakeSet
from tests.probe.helpers import result_hash, run, tree
from tests.probe.test_runner import just_too_small

Damage = Callable[[bytes, random.Random], bytes]


def truncated(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data))]


def flipped(data: bytes, dice: random.Random) -> bytes:
    bit = dice.randrange(8 * len(data))
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def kind(path: Path, cache: Path) -> str:
    return path.relative_to(cache).parts[0]


@pytest.mark.parametrize("damage", [truncated, flipped])
@pytest.mark.parametrize("keep", ["dense", "sparse"])
def test_every_damaged_file_is_found_and_redone(tmp_path: Path, damage: Damage, keep: str) -> None:
    """64 of each kind of damage: 32 files of a dense cache and 32 of a sparse one, a few at a time."""
    data, ledger, dice = FakeSet(tmp_path / "images", count=40), MemoryLedger(), random.Random(f"{damage.__name__}{keep}")
    settings: dict[str, Any] = {"shard_images": 10, "exemplars": 2}
    if keep == "sparse":
        settings["cache_limit"] = just_too_small(data, shard_images=10)
    expected = result_hash(run(tmp_path, FakeNetwork(), data, ledger, **settings))
    cache = tmp_path / "cache"
    files = tree(cache)
    by_kind = {name: sorted(path for path in cache.rglob("*.*") if path.is_file() and kind(path, cache) == name) for name in KINDS}
    assert all(len(found) >= 4 for found in by_kind.values())
    for _ in range(4):
        chosen = [path for found in by_kind.values() for path in dice.sample(found, 2)]
        for path in chosen:
            path.write_bytes(damage(path.read_bytes(), dice))
        assert sum(tree(cache)[name] != sha256 for name, sha256 in files.items()) == len(chosen) == 8
        assert result_hash(run(tmp_path, FakeNetwork(), data, ledger, **settings)) == expected
        assert tree(cache) == files


KINDS = ("labels", "activations", "tally", "thumbs")


@pytest.mark.parametrize("name", KINDS)
def test_only_what_is_damaged_is_redone(tmp_path: Path, name: str) -> None:
    data, ledger = FakeSet(tmp_path / "images", count=16), MemoryLedger()
    network = FakeNetwork()
    run(tmp_path, network, data, ledger, layers=("first",))
    cache = tmp_path / "cache"
    path = min(path for path in cache.rglob("*.*") if path.is_file() and kind(path, cache) == name)
    path.unlink()
    network.images_seen, data.label_reads = 0, 0
    run(tmp_path, network, data, ledger, layers=("first",))
    assert path.is_file()
    assert (network.images_seen, data.label_reads) == {"activations": (8, 0), "labels": (0, 8)}.get(name, (0, 0))
