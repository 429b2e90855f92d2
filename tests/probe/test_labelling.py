"""Label shards: parts of a shard, threads, reasons for skipping, whole-image labels."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.probe.cache import Cache
from dissect.probe.labelling import LabelSource, cut_labels, record_labels, skipped_of, whole_labels
from dissect.probe.ledger import MemoryLedger
from dissect.probe.progress import Quiet
from dissect.probe.signatures import LabelShard, build_label_shard, label_image
from dissect.probe.stages import labels_stage, ranges
from dissect.probe.tables import SignatureTable
from dissect.probe.work import Work
from tests.probe.fakes import FakeNetwork, FakeSet
from tests.probe.helpers import tree

SIZE = (6, 5)


def record(folder: Path, data: FakeSet, workers: int = 1, block: int = 8, ledger: MemoryLedger | None = None) -> LabelSource:
    """All label shards of a fake set."""
    work = Work(Cache(folder), ledger or MemoryLedger(), Quiet())
    stage = labels_stage(data.content_hash(), "whole", SIZE, block)
    return record_labels(FakeNetwork(), data, SIZE, stage, ranges(data.count, block, block), work, workers)


def pixels(shard: LabelShard, image: int) -> list[tuple[int, ...]]:
    """The members of the signature at every pixel of an image."""
    first = shard.local_offsets[image]
    rows = shard.local_signature[first + shard.signature_map[image].astype(np.int64)]
    return [tuple(shard.table.members[shard.table.offsets[row] : shard.table.offsets[row + 1]].tolist()) for row in rows]


def test_every_pixel_has_the_members_of_its_own_image(tmp_path: Path) -> None:
    data, network = FakeSet(tmp_path / "images", bad_labels=frozenset((3,))), FakeNetwork()
    source = record(tmp_path / "cache", data)
    for index in range(data.count):
        shard = source.part(index, index + 1)
        assert shard.included.tolist() == [index != 3]
        if index != 3:
            alone = label_image(data.labels(index), network.view(data.size), SIZE, data.vocabulary)
            members = [tuple(np.frombuffer(alone.members[local], np.uint16).tolist()) for local in alone.signature_map]
            assert pixels(shard, 0) == members
            assert shard.local_pixels.sum() == SIZE[0] * SIZE[1]


@given(st.integers(0, 7), st.integers(0, 7))
def test_a_part_of_a_shard_is_what_would_have_been_built_of_these_images(
    tmp_path_factory: pytest.TempPathFactory, one: int, two: int
) -> None:
    first, stop = min(one, two), max(one, two) + 1
    data, network = FakeSet(tmp_path_factory.getbasetemp() / "labelling", count=8), FakeNetwork()
    images = [label_image(data.labels(k), network.view(data.size), SIZE, data.vocabulary) if k != 4 else None for k in range(8)]
    cut = cut_labels(build_label_shard(images, SIZE, 2), first, stop)
    alone = build_label_shard(images[first:stop], SIZE, 2)
    for each in fields(LabelShard):
        found, expected = getattr(cut, each.name), getattr(alone, each.name)
        if isinstance(found, np.ndarray) and each.name not in ("local_signature", "signature_map"):
            assert np.array_equal(found, expected), each.name
        else:
            assert isinstance(found, np.ndarray | SignatureTable | tuple)
    for image in range(stop - first):
        if cut.included[image]:
            assert pixels(cut, image) == pixels(alone, image)


def test_any_number_of_threads_writes_the_same_bytes(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "images", bad_labels=frozenset((2, 9)), bad_images=frozenset((11,)))
    trees = []
    for workers in (0, 1, 2, 5):
        record(tmp_path / str(workers), data, workers)
        trees.append({name: sha256 for name, sha256 in tree(tmp_path / str(workers)).items() if not Path(name).name.startswith(".")})
    assert len(trees[0]) == 3
    assert all(found == trees[0] for found in trees)


def test_reasons_are_kept_with_the_shards(tmp_path: Path) -> None:
    data, ledger = FakeSet(tmp_path / "images", bad_labels=frozenset((2, 9)), bad_images=frozenset((11,))), MemoryLedger()
    source = record(tmp_path / "cache", data, ledger=ledger)
    assert sorted(source.skipped) == [2, 9, 11]
    reads = data.label_reads
    again = record(tmp_path / "cache", data, ledger=ledger)
    assert data.label_reads == reads
    assert again.skipped == source.skipped == skipped_of(again.work, again.stage)
    assert "label map 9 is broken" in again.skipped[9]


def test_a_shard_of_bad_label_maps_only_has_no_signature(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "images", bad_labels=frozenset(range(8, 16)))
    shard = record(tmp_path / "cache", data).part(8, 16)
    assert not shard.included.any()
    assert len(shard.local_signature) == 0


def test_whole_image_labels_are_a_table_of_images_and_concepts(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "images", label_kind="image", bad_labels=frozenset((5,)))
    presence, skipped = whole_labels(data)
    assert presence.shape == (20, 10)
    assert list(skipped) == [5]
    assert not presence[5].any()
    for index in set(range(20)) - {5}:
        assert (np.flatnonzero(presence[index]) + 1).tolist() == sorted(set(data.labels(index).whole))
