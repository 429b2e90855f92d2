"""The order of the steps, and the only place that knows it: open, probe, score, store, report.

A run is known by its fingerprint. The same request on the same content meets its own run again: one that is done is only shown, one
that was interrupted goes on. Results are checked in layer by layer, each in one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dissect.concepts.model import ProbeSet
from dissect.config import Config
from dissect.errors import DissectError, NotSupportedError
from dissect.network import LoadedNetwork
from dissect.network.model import LayerInfo
from dissect.pipeline.caption import caption_run
from dissect.pipeline.caption_request import METHOD as DESCRIPTIONS
from dissect.pipeline.caption_request import CaptionOutcome, CaptionRequest
from dissect.pipeline.captioners import captioner_card
from dissect.pipeline.collection import no_collection
from dissect.pipeline.compose import METHOD, ComposeOutcome, ComposeRequest, compose_run, resolved
from dissect.pipeline.names import check_names
from dissect.pipeline.open import chosen_layers, open_data, open_network, probe_settings
from dissect.pipeline.probed import Probed
from dissect.pipeline.report import default_report_folder, write_run_report
from dissect.pipeline.request import RunRequest
from dissect.pipeline.rows import concept_rows, image_rows, layer_result
from dissect.pipeline.spec import run_spec
from dissect.probe.cache import Cache
from dissect.probe.estimate import Estimate, estimate
from dissect.probe.profile import profile
from dissect.probe.progress import Progress
from dissect.probe.runner import ProbeResult, probe
from dissect.store import LayerSummary, RunRecord, Store

Say = Callable[[str], None]


@dataclass(frozen=True)
class RunOutcome:
    """What came of a request. repeated: all of it was there already."""

    run: RunRecord
    layers: tuple[LayerSummary, ...]
    skipped: int
    repeated: bool
    forward_images: int
    seconds: float
    report: Path | None
    notes: tuple[str, ...] = ()
    composed: ComposeOutcome | None = None
    captioned: CaptionOutcome | None = None

    def lines(self) -> list[str]:
        """For a person."""
        took = "was there already" if self.repeated else f"done in {self.seconds:.1f} s"
        images = f"{self.run.images} images" if self.run.used in (None, self.run.images) else f"{self.run.used} of {self.run.images} images"
        out = [f"run {self.run.id}: {self.run.model} on {self.run.dataset}, {images}, {took}"]
        for layer in self.layers:
            tail = f", {layer.unusual}" if layer.unusual else ""
            if layer.detectors is None:
                out.append(f"  {layer.layer}: {layer.units} units{tail}; exemplars only, the data set has no labels")
            else:
                out.append(f"  {layer.layer}: {layer.units} units, {layer.detectors} detectors of {layer.unique} concepts{tail}")
        for later in (self.composed, self.captioned):
            out += [f"  {line}" for line in later.lines()] if later else []
        out += [f"  note: {note}" for note in self.notes]
        if self.skipped:
            out.append(f"  {self.skipped} images were skipped; see dissect runs show {self.run.id}")
        if self.report:
            out.append(f"report: {self.report}")
        return out

    def as_plain(self) -> dict[str, object]:
        """For a program."""
        layers = [
            {
                "layer": each.layer,
                "units": each.units,
                "detectors": each.detectors,
                "unique": each.unique,
                "unique_by_category": each.unique_by_category,
                "states": dict(each.states),
            }
            for each in self.layers
        ]
        return {
            "run": self.run.id,
            "fingerprint": self.run.fingerprint,
            "state": self.run.state,
            "model": self.run.model,
            "data": self.run.dataset,
            "images": self.run.images,
            "used": self.run.used,
            "skipped": self.skipped,
            "repeated": self.repeated,
            "forward_images": self.forward_images,
            "seconds": round(self.seconds, 3),
            "layers": layers,
            "composed": self.composed.as_plain()["layers"] if self.composed else None,
            "captioned": self.captioned.as_plain()["layers"] if self.captioned else None,
            "report": str(self.report) if self.report else None,
            "notes": list(self.notes),
        }


def run_request(
    request: RunRequest,
    config: Config,
    store: Store,
    progress: Progress,
    *,
    workers: int = 1,
    report: Path | None = None,
    say: Say = lambda _: None,
    began_run: Callable[[RunRecord], None] = lambda _: None,
) -> RunOutcome:
    """Do what is asked for, or what is left of it. `report` is the folder of the HTML report; an empty path takes the usual place.

    began_run: told the run as soon as it is known.

    Raises:
        DissectError: with what, where and the remedy; what was finished before stays, and the same request goes on from there.
    """
    began = time.perf_counter()
    check_names(request, config)
    card, data = open_data(request, config, say)
    network = open_network(request, config)
    for note in network.notes:
        say(f"note: {note}")
    layers = chosen_layers(request, network)
    _check_methods(request, data, config)
    record = store.begin_run(run_spec(request, card, data, network, layers, store))
    began_run(record)
    result: ProbeResult | None = None
    if record.state != "done":
        result = _work(request, config, store, progress, workers, record, data, network, layers)
        record = store.finish_run(record.id)
    composed, captioned = None, None
    probed = Probed(data.vocabulary, result, data.records, network, request) if result else None
    if METHOD in request.methods:
        composed = compose_run(store, config, record.id, ComposeRequest(), progress, workers=workers, probed=probed)
    if DESCRIPTIONS in request.methods:
        captioned = caption_run(store, config, record.id, CaptionRequest(), progress, workers=workers, probed=probed)
    skipped = len(store.skipped(record.id))
    folder = None
    if report is not None:
        progress.start("report", 1, "page")
        folder = write_run_report(store, config, record.id, report if report.parts else default_report_folder(config, record))
        progress.done()
    return RunOutcome(
        run=store.run(record.id),
        layers=tuple(store.layers(record.id)),
        skipped=skipped,
        repeated=result is None,
        forward_images=result.forward_images if result else 0,
        seconds=time.perf_counter() - began,
        report=folder,
        notes=result.notes if result else (),
        composed=composed,
        captioned=captioned,
    )


def _check_methods(request: RunRequest, data: ProbeSet, config: Config) -> None:
    """Refuse, before hours of work, what the last step would refuse."""
    if METHOD in request.methods:
        resolved(ComposeRequest(), request.profile)
        if data.label_kind != "masks":
            raise NotSupportedError(f"method {METHOD} needs label maps; data set {data.name} has none. Leave the method out.")
    if DESCRIPTIONS in request.methods:
        captioner_card(CaptionRequest().captioner, config)


def dry_run(request: RunRequest, config: Config, *, workers: int = 1) -> Estimate:
    """What the request would take; nothing is written but what opening the data set renders."""
    check_names(request, config)
    _, data = open_data(request, config)
    network = open_network(request, config)
    return estimate(network, data, probe_settings(request, config, chosen_layers(request, network), workers))


def _work(
    request: RunRequest,
    config: Config,
    store: Store,
    progress: Progress,
    workers: int,
    record: RunRecord,
    data: ProbeSet,
    network: LoadedNetwork,
    layers: tuple[LayerInfo, ...],
) -> ProbeResult:
    try:
        settings = probe_settings(request, config, layers, workers)
        result = probe(network, data, settings, Cache(config.cache), store.ledger(record.id), progress)
        leaked = profile(request.profile).label_zero != "drop"
        store.save_concepts(data.vocabulary.name, *concept_rows(data.vocabulary, leaked))
        store.save_images(record.dataset_id, image_rows(data, result.image_files))
        progress.start("score", len(result.layers), "layer")
        for position, probed in enumerate(result.layers):
            with no_collection():
                store.write_layer(record.id, layer_result(probed, data.vocabulary, request, position, result))
            progress.advance()
        progress.done()
        store.write_skipped(record.id, [(item.key, item.reason) for item in result.skipped])
    except KeyboardInterrupt:
        store.fail_run(record.id, "interrupted", interrupted=True)
        raise
    except DissectError as error:
        store.fail_run(record.id, str(error))
        raise
    return result
