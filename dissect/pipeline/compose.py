"""Compositional explanations of a run that is done: worlds from its counts, searches, labels with certificates, checked in layer by layer.

The counts come from the cache; what was pruned is computed again. A layer that was composed with the same settings before is left as it
is, so that a killed command, run again, does what is missing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dissect.compose.beam import beam
from dissect.compose.optimal import optimal
from dissect.compose.pairs import Pairs, pairs
from dissect.compose.published import published
from dissect.compose.search import Found
from dissect.compose.world import World, world
from dissect.concepts.model import Vocabulary
from dissect.config import Config
from dissect.errors import NotFoundError, NotSupportedError, UsageError
from dissect.fingerprint import Plain, fingerprint
from dissect.pipeline.formula_rows import Composed, from_beams, from_found, unit_results
from dissect.pipeline.imported import refuse_imported
from dissect.pipeline.probed import Probed
from dissect.pipeline.spec import probe_again
from dissect.probe.bands import MOST_RANGES
from dissect.probe.profile import profile
from dissect.probe.progress import Progress
from dissect.probe.tables import LayerProbe
from dissect.store import LayerMethod, RunRecord, Store

METHOD = "compositional"
METHODS = (METHOD, "meanings", "ranges")
COMPOSING = 1
"""Raised whenever the same counts are composed or stored differently."""
PROFILES = ("standard", "compexp")


@dataclass(frozen=True, slots=True)
class ComposeRequest:
    """How formulas are searched. None takes the profile's own: 10 formulas a beam for `standard`, 5 for `compexp`.

    length: most concepts of a formula. beam: formulas kept of each length. penalty: score = IoU * penalty^(length - 1); optimal search
    needs 1. optimal: prove the best formula of up to 3 concepts (`standard` only). budget: seconds a unit may take for that.
    categories: only concepts of these; empty for all. min_images: only concepts that occur in so many. meanings: most of the list of
    several meanings, 0 for none. ranges: into how many ranges each unit's activations are cut for a formula each; 0 for none.
    """

    length: int = 3
    beam: int | None = None
    penalty: float = 1.0
    optimal: bool = True
    budget: float = 30.0
    categories: tuple[str, ...] = ()
    min_images: int = 1
    meanings: int = 5
    ranges: int = 0

    def __post_init__(self) -> None:
        limits_of = (
            ("length", 1, 16), ("beam", 1, 1000), ("min_images", 1, None), ("meanings", 0, 50), ("ranges", 0, MOST_RANGES),
        )  # fmt: skip
        for name, least, most in limits_of:
            value = getattr(self, name)
            if value is not None and (value < least or (most is not None and value > most)):
                limits = f"{least} to {most}" if most is not None else f"at least {least}"
                raise UsageError(f"--{name.replace('_', '-')} is {value}. Give a whole number, {limits}.")
        if not 0 < self.penalty <= 1:
            raise UsageError(f"--penalty is {self.penalty}. Give a factor above 0 and at most 1 for each further concept; 1 is none.")
        if not self.budget >= 0:
            raise UsageError(f"--budget is {self.budget}. Give seconds a unit, 0 or more.")

    def as_plain(self) -> dict[str, Plain]:
        """For the database."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Plain]) -> ComposeRequest:
        """What `as_plain` wrote."""
        names = {each.name for each in dataclasses.fields(cls)}
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items() if name in names}
        return cls(**values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class ComposeOutcome:
    """What came of it: the layers that were composed now, those that were there already, and how the search went in each."""

    run: RunRecord
    layers: tuple[LayerMethod, ...]
    repeated: tuple[str, ...]

    def lines(self) -> list[str]:
        """For a person."""
        return [
            f"run {self.run.id}, {each.layer}: {sentence(each)}{' (was there already)' if each.layer in self.repeated else ''}"
            for each in self.layers
        ]

    def as_plain(self) -> dict[str, object]:
        """For a program."""
        return {
            "run": self.run.id,
            "repeated": list(self.repeated),
            "layers": [
                {"layer": each.layer, "settings": dict(each.settings), "summary": dict(each.summary)} for each in self.layers
            ],
        }  # fmt: skip


def sentence(done: LayerMethod) -> str:
    """A composed layer in words."""
    facts = done.summary
    words = [
        f"{facts['formulas']} formulas for {facts['units']} units, median IoU {facts['median_iou']:.3f} "
        f"against {facts['median_concept_iou']:.3f} of single concepts"
    ]
    if facts.get("proven") is not None:
        words.append(f"{facts['proven']} proven optimal at length {facts['proof_length']}")
        short = facts["beam_short"]
        gain = f", mean gain {facts['beam_short_mean_gain']:.4f}" if short else ""
        words.append(f"the beam fell short for {short}{gain}")
    return "; ".join(words)


def compose_run(
    store: Store, config: Config, reference: str | int, request: ComposeRequest, progress: Progress, *, workers: int = 1,
    probed: Probed | None = None,
) -> ComposeOutcome:  # fmt: skip
    """Search formulas for every unit of a run and store them; formulas of other settings are replaced.

    probed: what the run's probe gave, where it is at hand; else it is read from the cache, and computed where it was pruned.

    Raises:
        NotSupportedError: the profile has no formulas, the data set no label maps, or the run was imported.
        UsageError: a setting does not fit the profile, or names a category that is not there.
        DissectError: as `probe_again`.
    """
    record = store.run(reference)
    refuse_imported(record, "compose formulas from")
    if record.state != "done":
        raise NotFoundError(f"run {record.id} is {record.state}. Finish it first with the command that began it.")
    settings = resolved(request, record.profile)
    there = {each.layer: each for each in store.layer_methods(record.id) if each.method == METHOD}
    wanted = {each.layer: _fingerprint(each.fingerprint, settings) for each in store.layers(record.id)}
    if all(name in there and there[name].fingerprint == mark for name, mark in wanted.items()):
        return ComposeOutcome(record, tuple(there.values()), tuple(there))
    if probed is None or settings.ranges:
        probed = probe_again(store, config, str(record.id), progress, workers, activation_ranges=settings.ranges)
    if probed.result.labels is None:
        raise NotSupportedError(f"data set {record.dataset} has no label maps; formulas are made of pixel counts. Choose another data set.")
    repeated: list[str] = []
    tables: tuple[World, Pairs] | None = None
    progress.start("compose", len(probed.result.layers), "layer")
    for layer in probed.result.layers:
        name = layer.layer.name
        if name in there and there[name].fingerprint == wanted[name]:
            repeated.append(name)
        else:
            tables = _write(store, record, layer, probed, settings, wanted[name], tables)
        progress.advance()
    progress.done()
    layers = [each for each in store.layer_methods(record.id) if each.method == METHOD]
    return ComposeOutcome(record, tuple(layers), tuple(repeated))


def resolved(request: ComposeRequest, profile_name: str) -> ComposeRequest:
    """The request with the profile's own values filled in.

    Raises:
        NotSupportedError: formulas are not defined for the profile.
        UsageError: the profile's search has no such setting.
    """
    if profile_name not in PROFILES:
        raise NotSupportedError(
            f"formulas under profile {profile_name} are not supported: it counts a concept in two planes twice. "
            f"Score the run again with --profile {' or --profile '.join(PROFILES)}."
        )
    if profile_name == "standard":
        if request.penalty != 1 and request.optimal:
            raise UsageError("--penalty changes what is best, and the proof is about IoU alone. Add --no-optimal, or leave --penalty out.")
        return dataclasses.replace(request, beam=request.beam or 10)
    if request.categories:
        raise UsageError("the compexp profile has categories of its own: object, part, scene, texture, color. Leave --category out.")
    return dataclasses.replace(request, beam=request.beam or 5, optimal=False)


def compose_layer(
    layer: LayerProbe, vocabulary: Vocabulary, settings: ComposeRequest, profile_name: str, tables: tuple[World, Pairs] | None = None
) -> tuple[Composed, tuple[World, Pairs] | None]:
    """Formulas of one probed layer. tables: of another layer of the same data, used again where the labels are the same."""
    if layer.tables is None:
        raise NotSupportedError(f"layer {layer.layer.name} has no counts by label; formulas need a data set with label maps.")
    rules = profile(profile_name)
    own = tuple(name for name in rules.categories or () if name in vocabulary.categories)
    chosen = _categories(settings.categories, vocabulary) or own or None
    here = world(layer.tables, vocabulary, min_images=settings.min_images, categories=chosen, void=rules.void)
    if profile_name == "compexp":
        found = published(here, beam=settings.beam or 5, length=settings.length, penalty=settings.penalty)
        return from_beams(here, found), tables
    shared = tables[1] if tables is not None and _same(tables[0], here) else pairs(here)
    start = beam(here, length=settings.length, width=settings.beam or 10, penalty=settings.penalty, tables=shared)
    best: Found | None = None
    if settings.optimal:
        best = optimal(here, length=settings.length, width=settings.beam or 10, budget=settings.budget, tables=shared)
    return from_found(here, start, best), (here, shared)


def compose_ranges(layer: LayerProbe, vocabulary: Vocabulary, settings: ComposeRequest, profile_name: str) -> Composed | None:
    """A formula for each range of activation of each unit (row unit * K + range), found by the beam; None where none were asked for."""
    if layer.ranges is None:
        return None
    return compose_layer(replace(layer, tables=layer.ranges.tables), vocabulary, replace(settings, optimal=False), profile_name)[0]


def _write(
    store: Store, record: RunRecord, layer: LayerProbe, probed: Probed, settings: ComposeRequest, mark: str,
    tables: tuple[World, Pairs] | None,
) -> tuple[World, Pairs] | None:  # fmt: skip
    composed, tables = compose_layer(layer, probed.vocabulary, settings, record.profile, tables)
    threshold = float(record.settings.get("threshold", 0.04))  # type: ignore[arg-type]
    ranges = compose_ranges(layer, probed.vocabulary, settings, record.profile)
    results = unit_results(composed, layer, probed, settings.meanings, threshold, profile(record.profile), ranges)
    done = LayerMethod(layer.layer.name, METHOD, mark, settings.as_plain(), composed.summary(settings.length))
    store.write_formulas(record.id, done, results, METHODS)
    return tables


def _fingerprint(layer: str, settings: ComposeRequest) -> str:
    whole: dict[str, Plain] = {"composing": COMPOSING, "layer": layer, "settings": settings.as_plain()}
    return fingerprint(whole)


def _categories(wanted: Sequence[str], vocabulary: Vocabulary) -> tuple[str, ...] | None:
    unknown = [name for name in wanted if name not in vocabulary.categories]
    if unknown:
        raise UsageError(f"there is no category {unknown[0]!r}. {vocabulary.name} has: {', '.join(vocabulary.categories)}.")
    return tuple(wanted) or None


def _same(one: World, other: World) -> bool:
    """Whether two layers see the same labels."""
    names: Mapping[str, object] = {"concept": None, "offsets": None, "members": None, "pixels": None}
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)
