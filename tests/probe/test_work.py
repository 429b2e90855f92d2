"""Checking in, rejecting, waiting for others, giving back; and fingerprints of stages."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dissect.errors import LeaseLostError
from dissect.fingerprint import Plain
from dissect.network.model import LayerInfo
from dissect.probe.cache import Cache
from dissect.probe.ledger import Claim, MemoryLedger, Stage
from dissect.probe.progress import Quiet
from dissect.probe.shardfile import write_shard
from dissect.probe.stages import activations_stage, counted, describe_view, labels_stage, measured, tally_stage
from dissect.probe.work import Work, Written
from tests.probe.fakes import FakeNetwork, FakeSet
from tests.probe.helpers import result_hash, run, tree

STAGE = Stage("a" * 64, "labels", None, {})
RANGES = [(0, 3), (3, 6), (6, 7)]


class Counted:
    """Computes shards and remembers which."""

    def __init__(self) -> None:
        self.computed: list[int] = []

    def __call__(self, claim: Claim, path: Path) -> Written:
        self.computed.append(claim.index)
        return Written(*write_shard(path, {}, {"shard": str(claim.index)}), {"images": claim.stop - claim.first})


def test_missing_and_damaged_shards_are_redone_and_no_others(tmp_path: Path) -> None:
    ledger = MemoryLedger()
    for fault, expected in (("none", [0, 1, 2]), ("none", []), ("gone", [1]), ("flipped", [1]), ("longer", [1])):
        path = Cache(tmp_path).shard_path(STAGE, 1)
        if fault == "gone":
            path.unlink()
        elif fault == "flipped":
            data = bytearray(path.read_bytes())
            data[300] ^= 16
            path.write_bytes(data)
        elif fault == "longer":
            path.write_bytes(path.read_bytes() + b"x")
        compute = Counted()
        with Work(Cache(tmp_path), ledger, Quiet()) as work:
            work.open(STAGE, RANGES)
            work.run(STAGE, compute)
            assert work.complete(STAGE, RANGES)
        assert compute.computed == expected, fault


@pytest.mark.parametrize("fault", [KeyboardInterrupt, ValueError])
def test_an_interrupt_gives_the_claim_back(tmp_path: Path, fault: type[BaseException]) -> None:
    ledger = MemoryLedger()

    def interrupted(claim: Claim, path: Path) -> Written:
        raise fault

    with pytest.raises(fault), Work(Cache(tmp_path), ledger, Quiet()) as work:
        work.open(STAGE, RANGES)
        work.run(STAGE, interrupted)
    assert ledger.claim(STAGE.fingerprint, 0) is not None
    assert list(tree(tmp_path)) == [], "no mark and no temporary file is left"


class Grudging(MemoryLedger):
    """Refuses most claims at first, as if other workers held the shards."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self.order: list[tuple[str, int]] = []

    def claim(self, stage: str, index: int | None = None) -> Claim | None:
        if self._random.random() < 0.6:
            return None
        claim = super().claim(stage, index)
        if claim is not None:
            self.order.append((claim.stage, claim.index))
        return claim


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_shards_changes_nothing(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dissect.probe.work.PATIENCE", 0)
    monkeypatch.setattr("dissect.probe.passes.PATIENCE", 0)
    data, ledger = FakeSet(tmp_path / "images"), Grudging(seed)
    straight = run(tmp_path / "straight", FakeNetwork(), data, shard_images=4)
    shuffled = run(tmp_path / "shuffled", FakeNetwork(), data, ledger, shard_images=4)
    stages = {stage for stage, _ in ledger.order}
    assert any([index for name, index in ledger.order if name == stage] != [0, 1, 2, 3, 4] for stage in stages), "the order was another"
    assert result_hash(shuffled) == result_hash(straight)
    assert tree(tmp_path / "shuffled") == tree(tmp_path / "straight")


class Late(MemoryLedger):
    """Another worker took every shard over and finished it."""

    def complete(self, claim: Claim, file: str, sha256: str, size: int, counts: object) -> None:
        super().complete(claim, file, sha256, size, counts)  # type: ignore[arg-type]
        raise LeaseLostError("another worker was quicker")


def test_a_lost_lease_is_no_error_since_the_other_result_has_the_same_bits(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "images")
    assert result_hash(run(tmp_path / "a", FakeNetwork(), data, Late())) == result_hash(run(tmp_path / "b", FakeNetwork(), data))


def test_stages_in_use_are_marked_and_free_afterwards(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with Work(cache, MemoryLedger(), Quiet()) as work:
        work.open(STAGE, RANGES)
        work.run(STAGE, Counted())
        assert Cache(tmp_path).prune(0) == []
    assert len(cache.prune(0)) == 1


NETWORK: dict[str, Plain] = {"weights": "w", "dtype": "float32"}
LAYER = LayerInfo("layer", 4, (2, 2), "conv")


def activations(**changes: object) -> str:
    parts: dict[str, object] = {"data": "d", "network": NETWORK, "layer": LAYER, "dtype": "float16", "left_out": (), "block": 10, "size": 5}
    parts = {**parts, "keep": "dense", **changes}
    what = measured(*(parts[name] for name in ("data", "network", "layer", "dtype", "left_out")))  # type: ignore[arg-type]
    return activations_stage(parts["layer"], what, parts["block"], parts["size"], parts["keep"]).fingerprint  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"data": "e"}, {"network": {**NETWORK, "weights": "v"}}, {"network": {**NETWORK, "more": None}}, {"dtype": "float32"},
        {"layer": LayerInfo("other", 4, (2, 2), "conv")}, {"layer": LayerInfo("layer", 4, (2, 2), "tokens")},
        {"layer": LayerInfo("layer", 4, (2, 2), "conv", 1)}, {"left_out": (3,)}, {"block": 11}, {"size": 4}, {"keep": {"above": "x"}},
    ],
)  # fmt: skip
def test_everything_that_changes_activations_changes_their_stage(change: dict[str, object]) -> None:
    assert activations(**change) != activations()
    assert activations() == activations(left_out=[])


def test_versions_of_steps_are_part_of_their_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    def every() -> tuple[str, str, str]:
        what = counted({}, None, (2, 2), 0.005, "standard")
        return activations(), labels_stage("d", "whole", (2, 2), 10).fingerprint, tally_stage(LAYER, what, 10, 5, True).fingerprint

    before = every()
    assert len(set(before)) == 3
    for position, step in enumerate(("ACTIVATIONS", "LABELS", "TALLY")):
        with monkeypatch.context() as patch:
            patch.setattr(f"dissect.probe.stages.{step}_VERSION", 99)
            assert [new == old for new, old in zip(every(), before, strict=True)] == [k != position for k in range(3)]


@given(st.permutations([3, 1, 2]))
def test_the_order_in_which_images_were_skipped_does_not_matter(left_out: list[int]) -> None:
    assert activations(left_out=left_out) == activations(left_out=(1, 2, 3))


def test_networks_that_see_the_whole_picture_share_labels_and_others_do_not() -> None:
    assert describe_view(FakeNetwork(seed=1)) == describe_view(FakeNetwork(seed=2, input_size=(12, 12))) == "whole"
    views = [json.dumps(describe_view(FakeNetwork(margin=margin))) for margin in (0.25, 0.125, -0.25)]
    assert len({*views, '"whole"'}) == 4


def test_an_interrupted_pass_gives_every_shard_back_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    data, ledger = FakeSet(tmp_path / "images", count=24), MemoryLedger()
    network = FakeNetwork()

    def interrupt(name: str, maps: NDArray[np.float32], _: object) -> NDArray[np.float32]:
        if name == "head" and network.images_seen > 16:
            raise KeyboardInterrupt
        return maps

    network.tweak = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, network, data, ledger)
    assert [name for name in tree(tmp_path / "cache") if Path(name).name.startswith(".")] == []
    free = {stage: ledger.claim(stage, 2) for stage, found in ledger.stages.items() if found.step == "activations"}
    assert len(free) == 3
    assert all(claim is not None for claim in free.values()), "another worker may have them at once"
    for claim in free.values():
        assert claim is not None
        ledger.release(claim)
    network.tweak = None
    again = run(tmp_path, network, data, ledger)
    assert again.forward_images == 8, "two of three shards were finished"
    assert result_hash(again) == result_hash(run(tmp_path / "straight", FakeNetwork(), data))
