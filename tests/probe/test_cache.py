"""The cache folder: sizes, least recently used, what is never pruned, what counts as intact."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.atomic import temporary_path
from dissect.errors import CacheError
from dissect.probe.cache import Cache
from dissect.probe.ledger import DoneShard, Stage
from dissect.probe.shardfile import write_shard


def stage(number: int, step: str = "activations") -> Stage:
    return Stage(f"{number:064x}", step, "layer", {})


def fill(cache: Cache, number: int, values: int = 100, used: float | None = None) -> DoneShard:
    """One shard file of a stage; `used`: when the stage was last used."""
    path = cache.shard_path(stage(number), 0)
    sha256, size = write_shard(path, {"a": np.arange(values)}, {})
    if used is not None:
        os.utime(path.parent, (used, used))
    return DoneShard(stage(number).fingerprint, 0, 0, 10, cache.relative(path), sha256, size, {})


def test_stages_are_listed_least_recently_used_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for number, used in ((1, 300.0), (2, 100.0), (3, 200.0)):
        fill(cache, number, used=used)
    assert [int(found.fingerprint, 16) for found in cache.stages()] == [2, 3, 1]
    assert [found.files for found in cache.stages()] == [1, 1, 1]
    assert cache.size() == sum(found.bytes for found in cache.stages()) > 0


@given(st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 5)), max_size=5), st.integers(0, 120_000), st.sets(st.integers(0, 4)))
def test_pruning_removes_the_oldest_until_the_rest_fits(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, int]], limit: int, keep: set[int]
) -> None:
    cache = Cache(tmp_path_factory.mktemp("cache"))
    for number, (values, used) in enumerate(sizes):
        fill(cache, number, values, float(used))
    left = {found.fingerprint: found.bytes for found in cache.stages()}
    expected = []
    for fingerprint in sorted(left, key=lambda name: (sizes[int(name, 16)][1], name)):
        if sum(left.values()) > limit and int(fingerprint, 16) not in keep:
            del left[fingerprint]
            expected.append(fingerprint)
    removed = cache.prune(limit, {f"{number:064x}" for number in keep})
    assert [found.fingerprint for found in removed] == expected
    assert {found.fingerprint: found.bytes for found in cache.stages()} == left


def test_a_stage_in_use_is_not_pruned_until_it_is_free(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    fill(cache, 1)
    with cache.hold(stage(1)):
        assert cache.prune(0) == []
        assert Cache(tmp_path).prune(0) == []
    assert len(cache.prune(0)) == 1


def test_the_mark_of_a_killed_process_protects_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    fill(cache, 1)
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)
    folder = cache.shard_path(stage(1), 0).parent
    (folder / f".in-use.{int(dead.stdout)}.tmp").write_bytes(b"")
    assert len(cache.prune(0)) == 1
    assert not folder.exists()


def test_holding_makes_a_stage_the_most_recently_used(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    fill(cache, 1, used=100.0)
    fill(cache, 2, used=200.0)
    with cache.hold(stage(1)):
        pass
    assert [int(found.fingerprint, 16) for found in cache.stages()] == [2, 1]


def test_intact_means_same_place_size_hash_and_readable(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    done = fill(cache, 1)
    assert cache.intact(stage(1), done)
    path = cache.shard_path(stage(1), 0)
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert cache.intact(stage(1), done), "a file is hashed once in the life of a cache object"
    assert not Cache(tmp_path).intact(stage(1), done)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert not Cache(tmp_path).intact(stage(1), done)
    path.unlink()
    assert not cache.intact(stage(1), done)
    with pytest.raises(CacheError, match="damaged"):
        cache.read(stage(1), 0)


def test_a_row_that_names_another_file_is_not_believed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    done = fill(cache, 1)
    for file in ("../../etc/passwd", "activations/elsewhere.safetensors", "/etc/passwd"):
        row = DoneShard(done.stage, 0, 0, 10, file, done.sha256, done.size, {})
        assert not cache.intact(stage(1), row)


def test_sweeping_removes_what_killed_processes_left_and_nothing_else(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    fill(cache, 1)
    path = cache.shard_path(stage(1), 5)
    temporary_path(path).write_bytes(b"ours")
    path.with_name(f".{path.name}.4194999.tmp").write_bytes(b"of a dead process")
    path.with_name(".hidden").write_bytes(b"of somebody else")
    assert cache.sweep() == 1
    assert temporary_path(path).exists()
    assert path.with_name(".hidden").exists()


def test_an_empty_or_foreign_folder_holds_no_stages(tmp_path: Path) -> None:
    assert Cache(tmp_path / "nowhere").stages() == []
    assert Cache(tmp_path / "nowhere").size() == 0
    (tmp_path / "activations" / "ab" / "notes").mkdir(parents=True)
    (tmp_path / "activations" / "ab" / "file").write_text("x")
    assert Cache(tmp_path).stages() == []
    assert not Cache(tmp_path).remove("activations", "../../..")
