"""Tiny Darknet on real photographs: one home for its runs, and which of its labels survive the tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dissect.config import Config
from dissect.pipeline.request import RunRequest
from dissect.pipeline.run import RunOutcome, run_request
from dissect.pipeline.verify import verify_run
from dissect.pipeline.verify_request import VerifyRequest
from dissect.probe.progress import Quiet
from dissect.store import LabelView, Store, UnitFilter

CARDS = Path(__file__).resolve().parents[1] / "cards"
UNITS = 512


@dataclass
class Desk:
    """One home for all real runs."""

    config: Config
    store: Store
    weights: Path

    def run(self, data: str, **more: object) -> RunOutcome:
        """Tiny Darknet on a shared set, with report."""
        request = self.request(data, **more)
        return run_request(request, self.config, self.store, Quiet(), report=self.config.home / "report" / data)

    def request(self, data: str, **more: object) -> RunRequest:
        """Tiny Darknet's last layer of 512 units."""
        return RunRequest(model=str(CARDS / "tiny-darknet.toml"), weights=str(self.weights), data=data, **more)  # type: ignore[arg-type]

    def verified(self, data: str, tests: VerifyRequest, **more: object) -> Verified:
        """The same run with its labels tested."""
        record = self.run(data, **more).run
        outcome = verify_run(self.store, self.config, record.id, tests, Quiet())
        views = self.store.units(UnitFilter(run=record.id), limit=UNITS, exemplars=0)
        labels = {view.index: view.label for view in views if view.label is not None}
        (layer,) = outcome.layers
        facts = layer.summary["netdissect"]
        assert isinstance(facts, Mapping)
        return Verified(record.images, labels, self.request(data, **more).threshold, dict(facts), tuple(outcome.lines()))


@dataclass(frozen=True)
class Verified:
    """Labels of a run by unit, the IoU that detectors exceed, the layer's counts, and what a person is told."""

    images: int
    labels: Mapping[int, LabelView]
    threshold: float
    facts: Mapping[str, Any]
    lines: tuple[str, ...]

    @property
    def detectors(self) -> set[int]:
        """Units above the threshold on the images that their labels were chosen on."""
        return {unit for unit, label in self.labels.items() if (label.score or 0.0) > self.threshold}

    @property
    def held(self) -> set[int]:
        """Units above the threshold on images that their labels were not chosen on."""
        return {unit for unit, label in self.labels.items() if (label.held_out_score or 0.0) > self.threshold}

    @property
    def told(self) -> set[int]:
        """Units whose label is told from chance."""
        return {unit for unit, label in self.labels.items() if label.q is not None and label.q <= 0.05}

    @property
    def agreed(self) -> set[int]:
        """Units for which both halves of the images choose the run's label."""
        return {unit for unit, label in self.labels.items() if label.held_out_agrees}

    @property
    def survivors(self) -> set[int]:
        """Detectors whose label passes all three."""
        return self.detectors & self.told & self.agreed & self.held

    def names(self, units: set[int]) -> Counter[str]:
        """How many of these units have which label."""
        return Counter(self.labels[unit].text for unit in units)


def opened(shared: Path, home: Path) -> Desk:
    """A new home. shared: the folder of photographs and weights."""
    config = Config(home=home, database_url=f"sqlite:///{home / 'dissect.db'}", data_root=shared / "data")
    return Desk(config, Store.open(config.database_url), shared / "models" / "tiny_darknet_imagenet.safetensors")
