"""The main job on real photographs and trained weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from dissect.concepts.model import ImageRecord, Labels, ProbeSet, Vocabulary
from dissect.fingerprint import fingerprint
from dissect.pipeline.open import open_data, open_network, probe_settings
from dissect.pipeline.request import RunRequest
from dissect.pipeline.rows import score_layer
from dissect.pipeline.run import run_request
from dissect.probe.cache import Cache
from dissect.probe.ledger import MemoryLedger
from dissect.probe.progress import Quiet
from dissect.probe.runner import probe
from dissect.store import UnitFilter
from tests.pipeline.real import CARDS, Desk, opened

pytestmark = [pytest.mark.shared, pytest.mark.slow]


@pytest.fixture(scope="module")
def desk(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return opened(shared, tmp_path_factory.mktemp("real"))


def test_tiny_darknet_on_camvid_finds_a_few_dozen_units_most_of_them_cars(desk: Desk) -> None:
    outcome = desk.run("camvid", split="train")
    assert (outcome.run.images, outcome.skipped, outcome.layers[0].units) == (367, 0, 512)
    detectors = desk.store.units(UnitFilter(run=outcome.run.id, detectors=True), limit=512, exemplars=0)
    assert 15 <= len(detectors) <= 60
    labels = Counter(unit.label.text for unit in detectors if unit.label)
    assert labels.most_common(1)[0][0] == "Car"
    # Road, Building and Sky cover too much to reach 0.04 at q = 0.005.
    assert not {"Road", "Building", "Sky"} & set(labels)
    assert outcome.report is not None and outcome.report.is_file()
    again = desk.run("camvid", split="train")
    assert again.repeated and again.forward_images == 0


@dataclass
class Shuffled:
    """A set whose annotations belong to other pictures."""

    inner: ProbeSet
    order: Sequence[int]

    @property
    def name(self) -> str:
        return "shuffled"

    @property
    def vocabulary(self) -> Vocabulary:
        return self.inner.vocabulary

    @property
    def records(self) -> Sequence[ImageRecord]:
        return self.inner.records

    @property
    def label_kind(self) -> str:
        return self.inner.label_kind

    @property
    def default_label_size(self) -> tuple[int, int] | None:
        return self.inner.default_label_size

    def labels(self, index: int) -> Labels:
        return self.inner.labels(self.order[index])

    def content_hash(self) -> str:
        return fingerprint({"of": self.inner.content_hash(), "order": [int(each) for each in self.order]})


def test_shuffled_label_maps_leave_no_detector_but_by_luck(desk: Desk) -> None:
    request = desk.request("camvid", split="train", limit=150)
    _, data = open_data(request, desk.config)
    network = open_network(request, desk.config)
    order = np.random.default_rng(3).permutation(len(data.records)).tolist()
    layers = network.layers(("act14",))
    settings = probe_settings(request, desk.config, layers, 1)
    found = {}
    for name, chosen in (("true", data), ("shuffled", Shuffled(data, order))):
        result = probe(network, chosen, settings, Cache(desk.config.cache), MemoryLedger(), Quiet())
        labels = score_layer(result.layers[0], data.vocabulary, request, result)
        assert labels is not None and labels.detectors is not None
        found[name] = labels.detectors.units
    assert found["true"] >= 10
    assert found["shuffled"] == 0


@pytest.mark.parametrize(("data", "category"), [("clothing-coparsing", "part"), ("coco-instances", "object")])
def test_other_real_sets_fill_database_and_report(desk: Desk, data: str, category: str) -> None:
    outcome = desk.run(data, limit=60)
    assert outcome.run.images == 60 and outcome.skipped == 0
    units = desk.store.units(UnitFilter(run=outcome.run.id), limit=512, exemplars=15)
    assert len(units) == 512 and all(len(unit.exemplars) == 15 for unit in units)
    labelled = [unit for unit in units if unit.label is not None]
    assert len(labelled) > 400 and category in {unit.label.category for unit in labelled if unit.label}
    assert outcome.report is not None and outcome.report.is_file()


def test_cifar_resnet_from_its_original_file_runs(desk: Desk, shared: Path) -> None:
    request = RunRequest(
        model=str(CARDS / "cifar-resnet20.toml"),
        weights=str(shared / "models" / "resnet20-12fca82f.th"),
        data="camvid",
        split="val",
        limit=40,
    )
    outcome = run_request(request, desk.config, desk.store, Quiet())
    assert (outcome.run.images, outcome.layers[0].units, outcome.layers[0].label_size) == (40, 64, (16, 16))
