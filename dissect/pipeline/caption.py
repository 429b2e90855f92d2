"""Descriptions of a run's units: exemplars from its cache, a captioner, labels with log-probabilities and tests, layer by layer.

A layer that was described with the same settings before is left as it is, so that a killed command, run again, does what is missing.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from dissect.caption.decoding import Decoding
from dissect.config import Config
from dissect.errors import NotFoundError
from dissect.fingerprint import Plain, fingerprint
from dissect.pipeline.caption_exemplars import exemplar_set, found_exemplars, pictures_of
from dissect.pipeline.caption_request import METHOD, CaptionOutcome, CaptionRequest
from dissect.pipeline.caption_rows import Described, results, summary
from dissect.pipeline.caption_tests import TESTING, Tester
from dissect.pipeline.captioners import Opened, open_captioner
from dissect.pipeline.compose import METHOD as COMPOSITIONAL
from dissect.pipeline.probed import Probed
from dissect.pipeline.spec import probe_again
from dissect.probe.progress import Progress
from dissect.probe.tables import Exemplars, LayerProbe
from dissect.store import LayerMethod, RunRecord, Store

CAPTIONING = 1
"""Raised whenever the same exemplars are described or stored differently."""


def caption_run(
    store: Store, config: Config, reference: str | int, request: CaptionRequest, progress: Progress, *, workers: int = 1,
    probed: Probed | None = None, device: str | None = None,
) -> CaptionOutcome:  # fmt: skip
    """Describe every unit of a run, test the descriptions and store both; descriptions of other settings are replaced.

    probed: what the run's probe gave, where it is at hand; else it is read from the cache, and computed where it was pruned.
    device: where the captioner runs; None for that of the settings. The run's own network stays on the run's device.

    Raises:
        NotFoundError: no such run, layer or captioner; or the run is not done.
        CheckpointError, NetworkError: the captioner is damaged, or does not fit its network.
        UsageError: a setting does not fit the captioner.
        DissectError: as `probe_again`.
    """
    record = store.run(reference)
    if record.state != "done":
        raise NotFoundError(f"run {record.id} is {record.state}. Finish it first with the command that began it.")
    layers = _layers(store, record, request.layers)
    opened = open_captioner(request.asked, config, device, lambda: _concepts(store, record))
    how = request.decoding(opened.length, opened.weight)
    opened.describer.check(how)
    work = _Work(store, config, record, request, opened, how, progress, workers)
    missing = [name for name in layers if not work.is_there(name)]
    if missing:
        work.describe(missing, probed)
    found = [each for each in store.layer_methods(record.id) if each.method == METHOD and each.layer in layers]
    return CaptionOutcome(record, tuple(found), tuple(name for name in layers if name not in missing))


def _concepts(store: Store, record: RunRecord) -> list[str]:
    """Names of the concepts of the run's data set."""
    return [each.name for each in store.concepts(vocabulary=record.vocabulary)] if record.vocabulary else []


def _layers(store: Store, record: RunRecord, patterns: Sequence[str]) -> list[str]:
    """The layers asked for, in order of computation."""
    names = [each.layer for each in store.layers(record.id)]
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise NotFoundError(f"run {record.id} has no layer {pattern!r}. Its layers: {', '.join(names)}.")
    return [name for name in names if not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


@dataclass
class _Work:
    """One call of `caption_run`: what its steps share."""

    store: Store
    config: Config
    record: RunRecord
    request: CaptionRequest
    opened: Opened
    how: Decoding
    progress: Progress
    workers: int

    def __post_init__(self) -> None:
        self._methods = {(each.layer, each.method): each for each in self.store.layer_methods(self.record.id)}
        self._marks = {each.layer: self._mark(each.layer, each.fingerprint) for each in self.store.layers(self.record.id)}

    def is_there(self, layer: str) -> bool:
        """Whether the layer was described just so."""
        found = self._methods.get((layer, METHOD))
        return found is not None and found.fingerprint == self._marks[layer]

    def describe(self, layers: Sequence[str], probed: Probed | None) -> None:
        """Describe, test and store some layers, each in one transaction."""
        probed = probed or probe_again(self.store, self.config, str(self.record.id), self.progress, self.workers)
        by_name = {each.layer.name: each for each in probed.result.layers}
        found = {}
        for name in layers:  # all first: recording a layer again takes the maps away that the probe before it speaks of
            layer, wanted = by_name[name], self.request.wanted
            found[name], probed = found_exemplars(self.store, self.config, self.record, probed, layer, wanted, self.progress, self.workers)
        picture = pictures_of(probed.records, probed.network)
        tester = Tester(self.store, self.record, probed)
        for name in layers:
            self._layer(by_name[name], found[name], picture, tester)

    def _layer(self, layer: LayerProbe, best: Exemplars, picture: Callable[[int], Image.Image], tester: Tester) -> None:
        exemplars = exemplar_set(best, picture)
        texts = self.opened.describer.describe(exemplars, self.how, self.progress)
        described = Described.of(texts, exemplars, self.opened.describer.name, self.opened.world, self.how, self.opened.measure)
        tests = tester.layer(layer, described.first, best)
        done = LayerMethod(layer.layer.name, METHOD, self._marks[layer.layer.name], self._settings(), summary(described, tests))
        self.store.write_formulas(self.record.id, done, results(described, tests, self._settings(), tester.vocabulary), (METHOD,))

    def _settings(self) -> dict[str, Plain]:
        """The request with what was filled in, and what the captioner is known by."""
        name, world = self.opened.describer.name, self.opened.world
        filled = {"weight": self.how.weight, "length": self.how.length}
        return self.request.as_plain() | filled | {"captioner": name, "world": world, "captioner_hash": self._captioner_hash()}

    def _captioner_hash(self) -> str:
        return fingerprint(dict(self.opened.describer.facts()))

    def _mark(self, layer: str, counts: str) -> str:
        composed = self._methods.get((layer, COMPOSITIONAL))
        decoding = {name: value for name, value in dataclasses.asdict(self.how).items() if name != "batch"}
        whole: Mapping[str, Plain] = {
            "captioning": CAPTIONING, "testing": TESTING, "layer": counts, "formulas": composed.fingerprint if composed else None,
            "describer": dict(self.opened.describer.facts()), "decoding": decoding,
            "exemplars": {"count": self.request.exemplars, "share": self.request.share},
        }  # fmt: skip
        return fingerprint(whole)
