"""The network of colour terms: its units are the concepts of the colour category, and a probe finds that out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dissect.concepts.colour import ANCHORS, ColourNamed, name_pixels
from dissect.concepts.model import ImageRecord, Labels, Vocabulary
from dissect.concepts.procedural.pictures import picture
from dissect.network import build
from dissect.network.load import load_network
from dissect.network.preprocess import Preprocessing
from dissect.network.source import NetworkSpec
from dissect.probe.cache import Cache
from dissect.probe.ledger import MemoryLedger
from dissect.probe.profile import profile
from dissect.probe.progress import Quiet
from dissect.probe.runner import ProbeSettings, probe
from dissect.verify.maxima import Rules, best_labels
from dissect.verify.planted_net import PlantedColours

COUNT = 60


@dataclass(frozen=True)
class Drawn:
    """Drawn pictures without labels of their own, saved without loss."""

    folder: Path
    name: str = "drawn"
    label_kind: str = "none"
    default_label_size: tuple[int, int] | None = None
    vocabulary: Vocabulary = Vocabulary("drawn", (), ())  # noqa: RUF009

    @property
    def records(self) -> Sequence[ImageRecord]:
        return [ImageRecord(k, str(k), self.folder / f"{k}.png") for k in range(COUNT)]

    def labels(self, index: int) -> Labels:
        return Labels((), (), frozenset())

    def content_hash(self) -> str:
        return "drawn"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    data = Drawn(tmp_path_factory.mktemp("drawn"))
    for record in data.records:
        picture(1, record.index).image.save(record.path)
    return data


def test_every_unit_is_the_share_of_a_cell_that_has_its_colour(drawn: Drawn) -> None:
    pixels = np.stack([np.asarray(Image.open(record.path).convert("RGB")) for record in drawn.records[:8]])
    with torch.inference_mode():
        units = PlantedColours(2)(torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255)).numpy()
    terms = name_pixels(pixels)
    height, width = terms.shape[1:]
    for term in range(11):
        share = (terms == term + 1).reshape(8, height // 2, 2, width // 2, 2).mean(axis=(2, 4))
        assert (np.abs(units[:, term] - share) > 1e-6).mean() < 1e-3, list(ANCHORS)[term]


def test_a_probe_names_the_colours(drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_factory", lambda _target: lambda: PlantedColours(1))
    how = Preprocessing((128, 128), mean=(0, 0, 0), std=(1, 1, 1))
    network = load_network(NetworkSpec("planted:colours@random", preprocessing=how))
    data = ColourNamed(drawn)
    settings = ProbeSettings(("units",), quantile=0.05, label_size=(128, 128), exemplars=1, thumbnails=False)
    (layer,) = probe(network, data, settings, Cache(tmp_path), MemoryLedger(), Quiet()).layers
    assert layer.tables is not None
    best = best_labels(layer.tables, layer.stats.state, Rules(data.vocabulary, profile("standard"), 0.05))
    share = np.array([np.mean([(data.labels(k).planes[0].ids == c + 1).mean() for k in range(COUNT)]) for c in range(11)])
    small = (share > 0) & (share <= 0.1)
    assert small.sum() >= 5
    assert (best.concept[small, 0] == np.flatnonzero(small) + 1).all()
    assert best.score[small & (share < 0.05), 0].min() > 0.99
