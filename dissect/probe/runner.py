"""The probe: images through a network once, everything after that from what was kept.

    labels (once per data set) -> activations (all layers in one pass) -> thresholds -> tally -> merged counts -> exemplars -> thumbnails

Each step is a stage of the ledger with shards in the cache; a killed run does at most its current shards again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from dissect.concepts.model import ProbeSet
from dissect.errors import DataError
from dissect.fingerprint import Plain, fingerprint
from dissect.network.model import LayerInfo, Network
from dissect.probe import counting
from dissect.probe.cache import Cache
from dissect.probe.keeping import Keeper, readable
from dissect.probe.labelling import LabelSource, record_labels, skipped_of, whole_labels
from dissect.probe.ledger import Ledger
from dissect.probe.levels import RecordedLayer, levels, measured_units
from dissect.probe.passes import ImagePass, LayerPlan
from dissect.probe.profile import ActivationDtype, profile
from dissect.probe.progress import Progress
from dissect.probe.settings import ImageLevel, ProbeResult, ProbeSettings, activation_dtype, check_settings, label_size
from dissect.probe.stages import bands_stage, counted, describe_view, labels_stage, ranges, shard_size, tally_stage
from dissect.probe.tables import LayerProbe, Skipped
from dissect.probe.thumbnails import Gallery, Nobody
from dissect.probe.upsample import grid
from dissect.probe.work import Work

__all__ = ["ImageLevel", "ProbeResult", "ProbeSettings", "probe"]


def probe(network: Network, data: ProbeSet, settings: ProbeSettings, cache: Cache, ledger: Ledger, progress: Progress) -> ProbeResult:
    """Probe a network with a data set. See ProbeSettings and ProbeResult.

    Raises:
        DataError: no image can be used. LayerError, UsageError: the settings do not fit. ActivationError: NaN or infinity.
        StorageError: disk full or read-only; the same call continues where it stopped.
        UsageError: the cache limit is too small even for sparse maps; the message gives the numbers.
    """
    check_settings(settings)
    if not data.records:
        raise DataError(f"data set {data.name} has no images. Check its root, split and limit with `dissect data check`.")
    layers = network.layers(settings.layers)
    with Work(cache, ledger, progress) as work:
        run = _Run(network, data, settings, work)
        try:
            return run.everything(layers)
        finally:
            run.gallery.drop()


class _Run:
    """One call of `probe`: its steps in order, and what they share."""

    def __init__(self, network: Network, data: ProbeSet, settings: ProbeSettings, work: Work) -> None:
        self.network = network
        self.data = data
        self.settings = settings
        self.work = work
        self.size = label_size(network, data, settings)
        self.rules = profile(settings.profile)
        self.gallery = Gallery(work.cache, data.records, network, settings.exemplars, settings.thumbnail_size)
        self.data_hash = data.content_hash()
        self.notes: list[str] = []
        self.skipped: dict[int, str] = {}
        self.labels: LabelSource | None = None
        self.presence: NDArray[np.bool_] | None = None
        self.tallies: dict[str, counting.TallySource] = {}

    def everything(self, layers: Sequence[LayerInfo]) -> ProbeResult:
        """All steps."""
        self._read_labels()
        self._require_images()
        recorded = self._record(layers)
        self._require_images()
        probed = [self._layer(layer) for layer in recorded]
        used = self._used()
        return ProbeResult(
            layers=tuple(probed),
            images=len(used),
            skipped=tuple(Skipped(self.data.records[index].key, reason) for index, reason in sorted(self.skipped.items())),
            label_size=self.size,
            image_level=self._image_level(recorded, used),
            image_files=self._thumbnails(probed),
            stages=tuple(self.work.stages.values()),
            forward_images=self.work.forward_images,
            labels=self.labels,
            tallies=self.tallies,
            recorded={layer.plan.layer.name: layer for layer in recorded},
            image_index=np.asarray(used, np.int32),
            notes=tuple(self.notes),
        )

    def _read_labels(self) -> None:
        if self.data.label_kind == "masks":
            block = self.settings.shard_images
            stage = labels_stage(self.data_hash, describe_view(self.network), self.size, block)
            cut = ranges(len(self.data.records), block, block)
            self.labels = record_labels(self.network, self.data, self.size, stage, cut, self.work, self.settings.workers)
            self.skipped.update(self.labels.skipped)
        elif self.data.label_kind == "image":
            self.presence, reasons = whole_labels(self.data)
            self.skipped.update(reasons)

    def _record(self, layers: Sequence[LayerInfo]) -> list[RecordedLayer]:
        """All layers together; then again those that float16 does not hold, and those whose sparse maps were not enough."""
        keeper = self._keeper()
        dtype = activation_dtype(self.settings)
        plans = keeper.plans([(layer, dtype) for layer in layers])
        done: dict[str, RecordedLayer] = {}
        while plans:
            self._pass(plans, keeper.left_out)
            self._require_images()
            again: list[LayerPlan] = []
            singles: list[tuple[LayerInfo, ActivationDtype]] = []
            for plan in plans:
                recorded = RecordedLayer(self.work, plan)
                if plan.overflowed or recorded.underflows():
                    self._note_single(plan)
                    singles.append((plan.layer, "float32"))
                elif (floor := self._too_high(recorded)) is not None:
                    again.append(keeper.lowered(plan, floor))
                    self.work.open(again[-1].stage, again[-1].ranges)
                else:
                    done[plan.layer.name] = recorded
            plans = again + (keeper.plans(singles) if singles else [])
        self._note_sparse(done.values())
        return [done[layer.name] for layer in layers]

    def _keeper(self) -> Keeper:
        chosen = self.settings
        return Keeper(
            self.network, dict(self.network.describe()), self.data_hash, self.data.records, frozenset(self.skipped), self.work,
            chosen.shard_images, chosen.cache_limit, chosen.quantile, chosen.batch_size, chosen.workers,
        )  # fmt: skip

    def _pass(self, plans: Sequence[LayerPlan], left_out: frozenset[int]) -> None:
        watcher = self.gallery if self.settings.thumbnails else Nobody()
        passing = ImagePass(self.network, self.data.records, left_out, self.work, watcher, self.settings.batch_size, self.settings.workers)
        passing.run(plans)
        for plan in plans:
            self.skipped.update(skipped_of(self.work, plan.stage))

    def _too_high(self, recorded: RecordedLayer) -> NDArray[np.float32] | None:
        """Lower floors, if a sparse layer lacks maps that are needed."""
        if recorded.plan.floor is None:
            return None
        return levels(recorded, self.settings.quantile, self.rules).lowered

    def _layer(self, recorded: RecordedLayer) -> LayerProbe:
        layer = recorded.plan.layer
        self.work.progress.start(f"thresholds of {layer.name}", 1, "layer")
        found, stats = measured_units(recorded, self.settings.quantile, self.rules)
        over = grid(layer.map_size, self.size, self.rules.upsampling, self.network.input_size)
        self.work.progress.done()
        what = self._counted(recorded.plan)
        tables = None
        if self.labels is not None:
            spans = recorded.plan.floor is None
            size = shard_size(layer, np.dtype(recorded.plan.dtype).itemsize, self.settings.shard_images)
            stage = tally_stage(layer, what, self.settings.shard_images, size, spans)
            self.tallies[layer.name] = counting.TallySource(self.work, stage, recorded.plan.ranges)
            tables = counting.tally(recorded, self.labels, found, over, self.data.vocabulary, self.rules, stage, spans)
        ranges = None
        if self.labels is not None and self.settings.activation_ranges:
            count = self.settings.activation_ranges
            size = shard_size(layer, np.dtype(recorded.plan.dtype).itemsize, self.settings.shard_images)
            stage = bands_stage(layer, what, self.settings.shard_images, size, count)
            ranges = counting.by_range(recorded, self.labels, over, self.data.vocabulary, stage, count)
        best = counting.best_images(recorded, found, over, self.settings.exemplars)
        return LayerProbe(layer, fingerprint(what), recorded.plan.dtype, stats, best, tables, ranges)

    def _counted(self, plan: LayerPlan) -> dict[str, Plain]:
        """What the layer's results depend on; not how its maps are kept."""
        labels: Plain = None
        if self.labels is not None:
            labels = {key: value for key, value in self.labels.stage.settings.items() if key != "shard_images"}
        what = self._keeper().measured(plan.layer, plan.dtype)
        what["left_out"] = sorted(self.skipped)
        return counted(what, labels, self.size, self.settings.quantile, self.rules.name)

    def _image_level(self, recorded: Sequence[RecordedLayer], used: Sequence[int]) -> ImageLevel | None:
        if self.presence is None:
            return None
        maxima = {layer.plan.layer.name: counting.all_maxima(layer, used) for layer in recorded}
        return ImageLevel(np.asarray(used, np.int32), maxima, self.presence[list(used)])

    def _thumbnails(self, probed: Sequence[LayerProbe]) -> dict[int, str]:
        final = {int(index) for layer in probed for index in np.unique(layer.exemplars.image) if index >= 0}
        if self.settings.thumbnails:
            self.work.progress.start("thumbnails", 1, "step")
            files = self.gallery.settle(final)
            self.work.progress.done()
            return files
        return {index: sha256 for index in sorted(final) if (sha256 := self.gallery.file_hash(index)) is not None}

    def _used(self) -> list[int]:
        return [record.index for record in self.data.records if record.index not in self.skipped]

    def _require_images(self) -> None:
        if not self._used():
            first = min(self.skipped)
            raise DataError(
                f"none of the {len(self.data.records)} images of data set {self.data.name} can be used. The first, "
                f"{self.data.records[first].key}: {self.skipped[first]} Run `dissect data check` for all of them."
            )

    def _note_single(self, plan: LayerPlan) -> None:
        what = "values beyond 65,504, the largest of float16" if plan.overflowed else "a unit whose values all round to zero in float16"
        self.notes.append(f"layer {plan.layer.name} has {what}; its activations are kept in float32.")

    def _note_sparse(self, recorded: Iterable[RecordedLayer]) -> None:
        sparse = [layer.plan.layer.name for layer in recorded if layer.plan.floor is not None]
        if sparse:
            limit = readable(self.settings.cache_limit)
            names = ", ".join(sparse)
            self.notes.append(f"the cache limit of {limit} holds only the maps that can matter of {names}; results are the same.")
