"""What the database says of a run's units, as an audit reads it: what they are called, and which concepts their masks overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dissect.audit.lexicon import cut
from dissect.audit.masks import MaskScore
from dissect.audit.words import Description
from dissect.store import ConceptView, RunRecord, Store, UnitFilter, UnitView

AT_ONCE = 256


@dataclass(frozen=True)
class RunUnits:
    """A run's units in words. units: how many there are. threshold: IoU above which a unit counts as a detector."""

    name: str
    record: RunRecord
    units: int
    descriptions: tuple[Description, ...]
    scores: tuple[MaskScore, ...]
    concepts: tuple[ConceptView, ...]
    threshold: float


def run_units(store: Store, reference: str | int) -> RunUnits:
    """Read a run's units.

    Raises:
        NotFoundError: there is no such run.
    """
    record = store.run(reference)
    views = list(_views(store, record))
    said = tuple(Description(view.layer, view.index, text) for view in views if (text := said_of(view)))
    scores = tuple(score for view in views for score in _scores(view))
    threshold = next((layer.threshold for layer in store.layers(record.id) if layer.threshold is not None), 0.04)
    concepts = tuple(store.concepts(vocabulary=record.vocabulary)) if record.vocabulary else ()
    return RunUnits(run_name(record), record, len(views), said, scores, concepts, threshold)


def run_name(record: RunRecord) -> str:
    """How pages and tables name a run."""
    return f"{record.model} on {record.dataset} (run {record.id})"


def said_of(view: UnitView) -> str:
    """The unit's labels as one text: its concept if the unit is a detector, what its formula uses without NOT, and its descriptions."""
    parts = []
    for label in view.labels:
        if label.rank != 1:
            continue
        if label.kind == "description" or (label.kind == "concept" and label.detector is not False):
            parts.append(label.text)
        elif label.kind == "formula" and label.method == "compositional":
            parts += [name for _, name, sign in label.concepts if sign > 0]
    return "; ".join(dict.fromkeys(parts))


def concepts_for(subject: str, concepts: Sequence[ConceptView]) -> tuple[str, ...]:
    """Concepts of the vocabulary that a subject stands for: by name, by synonym, and all that are narrower than one of those."""
    wanted = cut(subject)
    found = {each.name for each in concepts if wanted in (cut(each.name), *(cut(synonym) for synonym in each.synonyms))}
    narrower = {each.name: each.narrower for each in concepts}
    waiting = sorted(found)
    while waiting:
        new = sorted(set(narrower.get(waiting.pop(), ())) - found)
        found.update(new)
        waiting += new
    return tuple(sorted(found & set(narrower)))


def _views(store: Store, record: RunRecord) -> Iterator[UnitView]:
    for layer in record.layers:
        after: str | None = None
        filters = UnitFilter(run=record.id, layer=layer)
        while page := store.units(filters, order="index", limit=AT_ONCE, after=after, exemplars=0):
            yield from page
            after = page[-1].cursor


def _scores(view: UnitView) -> Iterator[MaskScore]:
    """Only overlaps: AUROC of whole-image labels says nothing of places."""
    known = {(label.category, label.text): label for label in view.labels if label.kind == "concept"}
    measure = next((label.score_kind for label in known.values()), "iou")
    for concept in view.concepts if measure == "iou" else ():
        label = known.get((concept.category, concept.name))
        low, high = (None, None) if label is None else (label.interval_low, label.interval_high)
        ends = None if low is None or high is None else (low, high)
        q = None if label is None else label.q
        if concept.score is not None:
            yield MaskScore(view.layer, view.index, concept.name, concept.score, q, ends, concept.images)
