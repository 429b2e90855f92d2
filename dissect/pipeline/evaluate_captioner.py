"""Is a captioner right, about networks that it and its choices have never met? `dissect captioner evaluate` is the command.

For each seed two networks of other shapes are trained on other pictures, and their units looked at in yet others. Every unit is described
by several rules, and every description is asked to tell images that excite the unit from images that do not (`caption.detection`):

    pmi         beam, reordered by log p(d | E) - lambda log p(d), as shipped
    given       the same beam by log p(d | E) alone
    stepwise    words chosen by their own PMI
    constant    one description for all units: the one that did best on the validation networks
    frequent    the most frequent of the pmi descriptions, for all units
    shuffled    the pmi descriptions, each given to another unit of the same network
    annotator   what the exemplars truly share, said by the rules that wrote the training texts: not a baseline, the aim

Then planted units, whose meaning is known: does the description name it? Letters: U units.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dissect.caption.decoding import Decoding, describe
from dissect.caption.detection import Detection, detection, detection_examples, paired_interval
from dissect.caption.features import Keys
from dissect.caption.files import SavedCaptioner, save_captioner
from dissect.caption.metrics import bleu
from dissect.caption.naming import Naming
from dissect.concepts.procedural.describe_words import BROAD, Meaning, phrasings
from dissect.errors import UsageError
from dissect.network import LoadedNetwork
from dissect.pipeline.captioner_networks import HELD_OUT, Member
from dissect.pipeline.captioner_planted import UNSEEN, combined, cover, hidden, plantable, single
from dissect.pipeline.captioner_result import METHODS, Evaluated, PlantedRow, Row
from dissect.pipeline.captioner_units import MASKED, Units, World, annotated, open_world, planted
from dissect.pipeline.train_captioner import Plan, embedded, keys_of, network_units, reranked
from dissect.probe.progress import Progress, Quiet

NETWORK_SEED, WORLD_SEED = 400, 500
FIRST_MEMBER = 1001
"""Seeds of pictures and networks that were looked at for the first time when the shipped captioner's training was settled."""
SHUFFLES = 20
COMBINATIONS = 60
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """seeds: of networks, pictures and examples. school, pictures: drawn for the networks' training, and for looking at their units.
    epochs: of that training. layers, units: the last layers of each network, and units of each at most."""

    seeds: tuple[int, ...] = (1, 2, 3)
    school: int = 2000
    pictures: int = 1500
    epochs: int = 3
    layers: int = 3
    units: int = 40

    def __post_init__(self) -> None:
        if not self.seeds or min(self.seeds) < 1 or min(self.school, self.pictures, self.epochs, self.layers, self.units) < 1:
            raise UsageError("an evaluation has one seed or more, from 1 on, and at least one picture, epoch, layer and unit.")

    def members(self, seed: int) -> list[Member]:
        """The held-out networks of a seed."""
        return [Member(shape, FIRST_MEMBER + len(HELD_OUT) * (seed - 1) + place, self.epochs) for place, shape in enumerate(HELD_OUT)]


SMALL = Evaluation((1,), 120, 100, 1, 1, 6)
"""Small enough for a test."""


@dataclass
class _Tested:
    """What is gathered over seeds: scores of each method, units one after another."""

    auc: dict[str, list[FloatArray]]
    balanced: dict[str, list[FloatArray]]
    mapped: dict[str, list[FloatArray]]

    def add(self, method: str, found: Sequence[Detection]) -> None:
        """Take in the mean of several detections of the same units."""
        self.auc[method].append(np.mean([each.auc for each in found], axis=0))
        self.balanced[method].append(np.mean([each.balanced_accuracy for each in found], axis=0))
        covered = np.mean([each.mapped for each in found], axis=0)
        self.mapped[method].append(np.where(found[0].tested, covered, np.nan))


def evaluate(
    saved: SavedCaptioner,
    home: Path,
    how: Evaluation | None = None,
    *,
    say: Callable[[str], None] = print,
    progress: Progress | None = None,
) -> Evaluated:
    """Test a captioner of the embedded network's features on held-out networks, and on planted units in their pictures."""
    how, progress, network = how or Evaluation(), progress or Quiet(), embedded()
    tested = _Tested({name: [] for name in METHODS}, {name: [] for name in METHODS}, {name: [] for name in METHODS})
    pairs: list[tuple[str, tuple[str, ...]]] = []
    losses: list[tuple[float, int]] = []
    shown: list[tuple[str, int, str, str]] = []
    named: list[tuple[str, Meaning, str]] = []
    names: list[str] = []
    for seed in how.seeds:
        school = open_world(home, network, how.school, NETWORK_SEED + seed, say)
        world = open_world(home, network, how.pictures, WORLD_SEED + seed, say)
        plan = Plan(layers=how.layers, units=how.units)
        units = network_units(how.members(seed), school, world, plan, say)
        keys = keys_of(units, world, network, progress)
        references = annotated(units, world, seed=seed)
        texts = _texts(saved, keys, units, [some[0].text if some else "" for some in references], seed, progress)
        _score(tested, texts, units, world, seed)
        words = [tuple(each.text for each in some) for some in references]
        pairs += [(text, some) for text, some in zip(texts["pmi"][0], words, strict=True) if some]
        losses.append(_loss(saved, keys, words))
        names += [f"{member.name} ({NETWORK_SEED + seed})" for member in how.members(seed)]
        some = range(0, len(units), max(1, len(units) // 8))
        shown += [(units.layer[unit], units.unit[unit], texts["annotator"][0][unit], texts["pmi"][0][unit]) for unit in some]
        named += _planted(saved, world, network, seed, progress)
    total, naming = sum(count for _, count in losses), Naming(world.data.vocabulary)
    return Evaluated(
        tuple(_row(tested, method) for method in METHODS),
        tuple(_planted_rows(named, naming)),
        tuple(names),
        int(np.isfinite(np.concatenate(tested.auc["pmi"])).sum()),
        bleu([text for text, _ in pairs], [some for _, some in pairs]),
        float(np.exp(sum(loss for loss, _ in losses) / total)) if total else float("nan"),
        tuple(shown),
        tuple((kind, phrasings(meaning)[0], text) for kind, meaning, text in named if not names_all(naming, meaning, text)),
    )


def _texts(
    saved: SavedCaptioner, keys: Keys, units: Units, annotator: list[str], seed: int, progress: Progress
) -> Mapping[str, list[list[str]]]:
    """By method, one list of a text a unit; of `shuffled` several lists."""
    captioner = saved.decoder.over(keys)
    progress.start("describe", 2 * len(units), "unit")
    beam = describe(captioner, saved.language_model, Decoding("beam", saved.length, kept=50), advance=progress.advance)
    stepwise = describe(captioner, saved.language_model, Decoding("stepwise", saved.length, weight=saved.weight), advance=progress.advance)
    progress.done()
    pmi = [reranked(some, saved.weight).text for some in beam]
    random = np.random.default_rng((seed, 0x5AFF))
    return {
        "pmi": [pmi],
        "given": [[some[0].text for some in beam]],
        "stepwise": [[some[0].text for some in stepwise]],
        "constant": [[str(saved.facts.get("constant", "areas"))] * len(pmi)],
        "frequent": [[Counter(pmi).most_common(1)[0][0]] * len(pmi)],
        "shuffled": [[pmi[place] for place in shuffled(units.network, random)] for _ in range(SHUFFLES)],
        "annotator": [annotator],
    }


def shuffled(groups: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Places (U,) in which every unit has another one's of its group: each group is shifted in a random circle."""
    places = np.arange(len(groups))
    for group in np.unique(groups):
        inside = random.permutation(np.flatnonzero(groups == group))
        places[inside] = np.roll(inside, int(random.integers(1, max(2, len(inside)))))
    return places


def _score(tested: _Tested, texts: Mapping[str, list[list[str]]], units: Units, world: World, seed: int) -> None:
    examples = detection_examples(units.maxima, units.threshold, units.image, world.scene, seed)
    contents, naming = world.contents, Naming(world.data.vocabulary)
    for method, lists in texts.items():
        tested.add(method, [detection(each, examples, contents, naming) for each in lists])


def _row(tested: _Tested, method: str) -> Row:
    auc, balanced = np.concatenate(tested.auc[method]), np.concatenate(tested.balanced[method])
    gaps: list[tuple[float, float, float] | None] = [None, None]
    if method != "pmi":
        gaps = [paired_interval(np.concatenate(of["pmi"]), own) for of, own in ((tested.auc, auc), (tested.balanced, balanced))]
    coverage = float(np.nanmean(np.concatenate(tested.mapped[method])))
    return Row(method, float(np.nanmean(auc)), float(np.nanmean(balanced)), coverage, gaps[0], gaps[1])


def _loss(saved: SavedCaptioner, keys: Keys, words: Sequence[tuple[str, ...]]) -> tuple[float, int]:
    """Sum of -log p(word | E) over the annotators' words, and how many words (stops included)."""
    total, count = 0.0, 0
    vocabulary = saved.decoder.vocabulary
    with torch.inference_mode():
        for unit, texts in enumerate(words):
            if texts:
                rows = vocabulary.batch(texts, saved.length)
                several = int((rows[:, 1:] != vocabulary.pad).sum())
                values, present = (torch.from_numpy(part[[unit] * len(texts)]) for part in (keys.values, keys.present))
                total += float(saved.decoder.loss(values, present, rows, 0.0)) * several
                count += several
    return total, count


def _planted(saved: SavedCaptioner, world: World, network: LoadedNetwork, seed: int, progress: Progress) -> list[tuple[str, Meaning, str]]:
    """(kind, meaning, description) of planted units in a world: single concepts, with noise, large ones, combinations, and unseen ones.

    Large are concepts that cover more than twice the share of a mask: such a unit is at its maximum in many places, and its mask is only
    where the concept fills a place, such as the torsos of people.
    """
    every = plantable([meaning for meaning in single() if meaning.head not in BROAD], world)
    alone = [meaning for meaning in every if cover(meaning, world) <= 2 * MASKED]
    pairs = plantable([each for each in combined() if each.look and (each.head or each.words > 1) and not hidden(each)], world)
    pairs = [meaning for meaning in pairs if cover(meaning, world) <= 2 * MASKED]
    pairs = [pairs[place] for place in np.random.default_rng((seed, 0xC0)).permutation(len(pairs))[:COMBINATIONS]]
    found = []
    fine, coarse = (16, 16), (8, 8)
    for kind, meanings, size, noise in (
        ("concepts", alone, fine, 0.0),
        ("concepts, 8 x 8", alone, coarse, 0.0),
        ("concepts, noise", alone, fine, 0.3),
        ("large concepts", [meaning for meaning in every if meaning not in alone], fine, 0.0),
        ("combinations", pairs, fine, 0.0),
        ("unseen combinations", plantable(UNSEEN, world, 15), fine, 0.0),
    ):
        if meanings:
            units = planted(meanings, world, size, noise=noise, seed=seed)
            keys = keys_of(units, world, network, progress)
            texts = [
                some[0].text
                for some in describe(saved.decoder.over(keys), saved.language_model, Decoding("rerank", saved.length, weight=saved.weight))
            ]
            found += [(kind, meanings[unit], text) for unit, text in zip(units.unit, texts, strict=True)]
    return found


def names_all(naming: Naming, meaning: Meaning, text: str) -> bool:
    """Whether a description names every part of a meaning, or something narrower ("pine trees" of a tree, not "plants")."""
    said = naming.named(text)
    return all(any(group <= wanted for group in said) for wanted in naming.named(phrasings(meaning)[0]))


def _planted_rows(named: Sequence[tuple[str, Meaning, str]], naming: Naming) -> list[PlantedRow]:
    rows = []
    for kind in dict.fromkeys(kind for kind, _, _ in named):
        of = [(meaning, text) for each, meaning, text in named if each == kind]
        rows.append(
            PlantedRow(
                kind,
                len(of),
                float(np.mean([names_all(naming, meaning, text) for meaning, text in of])),
                float(np.mean([names_all(naming, meaning, text) for meaning, _ in of for _, text in of])),
                *(_share(naming, of, part) for part in (_object, _attribute)),
            )
        )
    return rows


def _share(naming: Naming, of: Sequence[tuple[Meaning, str]], part: Callable[[Meaning], Meaning]) -> float | None:
    known = [(part(meaning), text) for meaning, text in of if meaning.words > 1 and part(meaning).words]
    return float(np.mean([names_all(naming, meaning, text) for meaning, text in known])) if known else None


def _object(meaning: Meaning) -> Meaning:
    return Meaning(head=meaning.head, whole=meaning.whole)


def _attribute(meaning: Meaning) -> Meaning:
    return replace(meaning, head="", whole="")


def with_scores(card: Path, saved: SavedCaptioner, found: Evaluated) -> SavedCaptioner:
    """The captioner with these scores among its facts, written to its card again (tensors in half precision, as trained captioners are).

    Raises:
        StorageError: a file could not be written.
    """
    scored = replace(saved, facts={**saved.facts, "held_out": found.plain()})
    save_captioner(card, scored, torch.float16)
    return scored
