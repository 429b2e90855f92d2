"""A made-up world to be searched, and a second implementation of search over it: plain loops over plain records."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from dissect.store import (
    ConceptEdge,
    ConceptEntry,
    LabelEntry,
    LayerMethod,
    LayerRecord,
    LayerResult,
    Store,
    UnitFilter,
    VerifiedLabel,
)
from tests.store.made_up_runs import save_world, spec, unit

NAMES = {
    "car": ("automobile",), "motor vehicle": (), "vehicle": ("conveyance",), "wheel": (), "terrier": ("ratter",), "dog": ("hound dog",),
    "puppies": (), "animal": (), "bus": ("coach",), "traffic light": (), "Straße": ("road",), "striped_wheel": (), "glass": (),
}  # fmt: skip
BROADER = (
    ("car", "motor vehicle"), ("bus", "motor vehicle"), ("motor vehicle", "vehicle"), ("terrier", "dog"), ("puppies", "dog"),
    ("dog", "animal"), ("wheel", "vehicle"), ("striped_wheel", "wheel"),
)  # fmt: skip
SAME = (("Straße", "glass"),)
CATEGORIES = {"wheel": "part", "striped_wheel": "part", "glass": "material"}
WORDS = (
    "car", "cars", "automobile", "vehicle", "motor", "wheel", "wheels", "dog", "hound", "terrier", "animal", "puppy", "bus", "buses",
    "light", "strasse", "road", "glass", "striped", "red", "parked", "of", "not", "and",
)  # fmt: skip
TEXTS = ("red cars parked", "parked dogs", "wheels of a bus", "not a dog", "glass light", "", "car and road", "100% of 'red' \"cars\"")


@dataclass(frozen=True)
class Shown:
    """One label of one unit, with all that decides whether it is found."""

    run: int
    model: str
    layer: str
    index: int
    label: LabelEntry
    nth: int
    state: str
    tests: VerifiedLabel | None


def key(name: str) -> tuple[str, str]:
    """(category, name)."""
    return CATEGORIES.get(name, "object"), name


def fill(store: Store, seed: int = 3, units: int = 24) -> list[Shown]:
    """Two networks with two layers each, and a second run on the first; what was written comes back."""
    dice, found = random.Random(seed), []
    for model in ("tiny", "other"):
        world = save_world(store, model=model)
        ids = [ConceptEntry(name, key(name)[0], "", synonyms) for name, synonyms in NAMES.items()]
        edges = [ConceptEdge(key(low), key(high)) for low, high in BROADER] + [ConceptEdge(key(a), key(b), "same") for a, b in SAME]
        store.save_concepts("words", ids, edges)
        for number in range(2 if model == "tiny" else 1):
            run = store.begin_run(replace(spec(world), fingerprint=f"{model}{number}".ljust(64, "0"), checkpoint_id=world.checkpoint_id))
            for position, layer in enumerate(("conv1", "conv2")):
                found += _layer(store, dice, run.id, model, layer, position, units)
            store.finish_run(run.id)
    return found


def _layer(store: Store, dice: random.Random, run: int, model: str, layer: str, position: int, units: int) -> list[Shown]:
    found, results, tested = [], [], {}
    for index in range(units):
        labels, state = _labels(dice), dice.choice(("ok", "ok", "ok", "dead"))
        results.append(replace(unit(index, *labels, exemplars=0), stats=replace(unit(index).stats, state=state)))
        order = sorted(labels, key=lambda label: (label.kind != "concept", labels.index(label)))
        for label in order:
            if dice.random() < 0.5:
                tested[index, label.method] = _tests(dice, index, label.method)
        found += [Shown(run, model, layer, index, label, nth, state, tested.get((index, label.method))) for nth, label in enumerate(order)]
    store.write_layer(run, LayerResult(LayerRecord(layer, units, position), tuple(results)))
    store.write_verification(run, LayerMethod(layer, "verification", "f" * 64), list(tested.values()))
    return found


def _labels(dice: random.Random) -> tuple[LabelEntry, ...]:
    """A formula before a concept, at times: numbers alone do not decide which is the headline."""
    labels = []
    if dice.random() < 0.4:
        labels.append(LabelEntry(dice.choice(TEXTS), "description", "milan", score=dice.choice((None, 1.5, 2.0)), score_kind="pmi"))
    if dice.random() < 0.5:
        first, second = dice.sample(sorted(NAMES), 2)
        sign = dice.choice((1, -1))
        text = f"{first} AND {'' if sign == 1 else 'NOT '}{second}"
        score = dice.choice((0.02, 0.1, 0.3))
        labels.append(LabelEntry(
            text, "formula", "compositional", score=score, detector=score > 0.04, concepts=((key(first), 1), (key(second), sign)),
        ))  # fmt: skip
    if dice.random() < 0.8:
        name, score = dice.choice(sorted(NAMES)), dice.choice((0.01, 0.05, 0.05, 0.2))
        labels.append(LabelEntry(name, category=key(name)[0], score=score, detector=score > 0.04, concepts=((key(name), 1),)))
    return tuple(labels)


def _tests(dice: random.Random, index: int, method: str) -> VerifiedLabel:
    return VerifiedLabel(
        index, method, held_out_score=dice.choice((None, 0.03, 0.1)), held_out_agrees=dice.choice((None, True, True, False)),
        q=dice.choice((0.01, 0.2, None)),
    )  # fmt: skip


# The second implementation.


def tokens(text: str) -> list[str]:
    """The words of a text."""
    clean = "".join("\ufffd" if char == "\0" or 0xD800 <= ord(char) < 0xE000 else char for char in text)
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", clean).casefold()))


def names_of(name: str) -> list[str]:
    return [name, *NAMES[name]]


def alike(name: str) -> set[str]:
    return {name} | {b for a, b in SAME if a == name} | {a for a, b in SAME if b == name}


def above(name: str) -> set[str]:
    found = set(alike(name))
    while True:
        more = {high for low, high in BROADER if low in found} | {other for one in found for other in alike(one)}
        if more <= found:
            return found
        found |= more


def sources(label: LabelEntry, tier: int) -> list[list[str]]:
    """The texts, as lists of words, in which a word may stand: of the label, with synonyms, with what is broader."""
    used = [name for (_, name), sign in label.concepts if sign == 1]
    found = used if label.kind == "formula" else [label.text]
    if tier >= 1:
        found = [*found, *(name for one in used for other in alike(one) for name in names_of(other))]
    if tier >= 2:
        found = [*found, *(name for one in used for other in above(one) for name in names_of(other))]
    return [tokens(text) for text in found]


Asked = Callable[[LabelEntry, int, int], bool]
"""Whether a label answers, with words from texts up to a tier; what is negated may stand in none up to the deepest."""


def tier_of(asked: Asked, label: LabelEntry, deepest: int) -> int | None:
    """The nearest tier in which a label answers."""
    return next((tier for tier in range(deepest + 1) if asked(label, tier, deepest)), None)


def passes(shown: Shown, filters: UnitFilter) -> bool:
    """Whether a label passes a filter's settings (not its question)."""
    label, tests = shown.label, shown.tests
    q = tests.q if tests else label.q
    iou = label.score if label.score_kind == "iou" else None
    lasting = tests is not None and tests.held_out_agrees is True and tests.held_out_score is not None and tests.held_out_score > 0.04
    checks: Iterable[bool] = (
        filters.run in (None, shown.run), filters.model in (None, shown.model), filters.layer in (None, shown.layer),
        filters.category in (None, label.category), filters.method in (None, label.method), filters.kind in (None, label.kind),
        filters.state in (None, shown.state), filters.min_iou is None or (iou is not None and iou >= filters.min_iou),
        filters.min_score is None or (label.score is not None and label.score >= filters.min_score),
        filters.max_score is None or (label.score is not None and label.score <= filters.max_score),
        filters.max_q is None or (q is not None and q <= filters.max_q), not filters.detectors or label.detector is True,
        not filters.survives or (label.detector is True and q is not None and q <= 0.05 and lasting),
        not filters.newest or shown.model == "other" or shown.run == 2,
        all(_used(label, name) for name in filters.uses),
    )  # fmt: skip
    return all(checks)


def _used(label: LabelEntry, name: str) -> bool:
    return label.kind == "formula" and (key(name.removeprefix("-")), -1 if name[0] == "-" else 1) in label.concepts


def answer(world: list[Shown], asked: Asked, filters: UnitFilter) -> list[tuple[int, str, int, str]]:
    """(run, layer, unit, label) of every unit found, in order: nearest first, then best score, then run, layer and unit."""
    deepest = 2 if filters.narrower else 1
    best: dict[tuple[int, str, int], Shown] = {}
    for shown in world:
        if passes(shown, filters) and tier_of(asked, shown.label, deepest) is not None:
            place = (shown.run, shown.layer, shown.index)
            best[place] = min(shown, best.get(place, shown), key=lambda one: one.nth)

    def rank(shown: Shown) -> tuple[object, ...]:
        score = shown.label.score
        return tier_of(asked, shown.label, deepest), score is None, -(score or 0.0), shown.run, shown.layer, shown.index

    return [(one.run, one.layer, one.index, one.label.text) for one in sorted(best.values(), key=rank)]
