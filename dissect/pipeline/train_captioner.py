"""Makes the captioner of the embedded default from nothing, and writes it with its card. `dissect captioner train` is its command.

    pictures    drawn, of other seeds than the demo set and than the embedded network's own training set
    units       of small networks that were trained for this (`captioner_networks`), of untrained ones, and planted ones
    texts       three a unit: what its exemplars share, said truthfully (`concepts.procedural.describe`)
    keys        features of the *embedded* network under the exemplars' masks
    training    decoder and language model; stopped early by networks and planted units of other pictures; the networks choose lambda

The captioner sees units of these networks only. Those of the embedded network, which it is shipped for, it has never seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dissect.caption.decoder import CaptionDecoder, DecoderSizes
from dissect.caption.decoding import Decoding, Description, describe
from dissect.caption.detection import Examples, detection, detection_examples
from dissect.caption.features import RECIPES, Keys
from dissect.caption.files import SavedCaptioner, save_captioner
from dissect.caption.language import LanguageSizes, LstmLanguageModel
from dissect.caption.naming import Naming
from dissect.caption.tokens import Vocabulary
from dissect.caption.training import Training, TrainingLog, train_captioner, train_language_model
from dissect.concepts.procedural.describe import Said
from dissect.concepts.procedural.describe_words import BROAD, Meaning
from dissect.fingerprint import Plain
from dissect.network import LoadedNetwork
from dissect.network.load import load_network
from dissect.network.source import NetworkSpec
from dissect.paths import shipped
from dissect.pipeline.captioner_networks import TEACHING, Member, recorded, taught
from dissect.pipeline.captioner_planted import HIDDEN, combined, hidden, plantable, single
from dissect.pipeline.captioner_units import Units, World, annotated, captioner_keys, joined, open_world, phrased, planted, units_of
from dissect.probe.progress import Progress, Quiet

Say = Callable[[str], None]
NAME = "demo-captioner"
LAMBDAS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
NETWORK_SEED, WORLD_SEED, VALIDATION_SEED = 100, 101, 102
"""Seeds of the pictures on which networks are trained, on which their units are described, and of the validation networks' pictures."""


@dataclass(frozen=True)
class Plan:
    """How much of everything.

    pictures, validation_pictures: of the worlds, and of the networks' training. networks, untrained, validation: how many. epochs: of the
    networks. layers: the last ones of each. units: of a layer at most. planted: units. decoder, language: hidden sizes.
    embedding: of words, in both. passes: epochs of the captioner at most. seed: of everything drawn.
    """

    pictures: int = 3000
    validation_pictures: int = 1500
    networks: int = 5
    untrained: int = 2
    validation: int = 2
    epochs: int = 3
    layers: int = 4
    units: int = 90
    planted: int = 5000
    decoder: int = 256
    language: int = 160
    embedding: int = 64
    passes: int = 25
    seed: int = 0

    def members(self) -> tuple[list[Member], list[Member]]:
        """Networks that teach, and those that validate."""
        first = 100 * self.seed + 11
        epochs = [self.epochs] * self.networks + [0] * self.untrained
        teaching = [Member(TEACHING[place % len(TEACHING)], first + place, each) for place, each in enumerate(epochs)]
        first = 100 * self.seed + 61
        return teaching, [Member(TEACHING[-1 - place % len(TEACHING)], first + place, self.epochs) for place in range(self.validation)]


QUICK = Plan(
    pictures=160, validation_pictures=120, networks=1, untrained=1, validation=1, epochs=1, layers=1, units=8, planted=24,
    decoder=24, language=16, embedding=12, passes=3,
)  # fmt: skip
"""Small enough for a test; its captioner knows next to nothing."""


@dataclass(frozen=True)
class Lessons:
    """What the captioner learns from: U units with keys, texts and the side they are on (validation or not)."""

    keys: Keys
    texts: list[tuple[str, ...]]
    validation: NDArray[np.bool_]
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Trial:
    """Validation units with what lambda, and the constant description, are chosen by."""

    keys: Keys
    examples: list[Examples]
    world: World


def embedded() -> LoadedNetwork:
    """The network whose features the captioner sees."""
    return load_network(NetworkSpec("demo", device="cpu"))


def gather(plan: Plan, home: Path, network: LoadedNetwork, say: Say, progress: Progress) -> tuple[Lessons, Trial]:
    """Pictures, networks, units, texts and keys; what takes most of the time."""
    teaching, validating = plan.members()
    school = open_world(home, network, plan.pictures, NETWORK_SEED, say)
    world = open_world(home, network, plan.pictures, WORLD_SEED, say)
    real = network_units(teaching, school, world, plan, say)
    made, meanings = planted_units(_seen(world), world, plan.planted, plan.seed)
    texts = [tuple(each.text for each in some) for some in described(real, world, plan.seed, "describe units", progress)]
    random = np.random.default_rng((plan.seed, 0x7E47))
    texts += [phrased(meaning, random) for meaning in meanings]
    units = joined([real, made])
    other = open_world(home, network, plan.validation_pictures, VALIDATION_SEED, say)
    held = network_units(validating, school, other, plan, say)
    texts += [tuple(each.text for each in some) for some in described(held, other, plan.seed, "describe held-out units", progress)]
    sown, meanings = planted_units(_seen(other), other, max(2, plan.planted // 8), plan.seed + 1)
    texts += [phrased(meaning, random) for meaning in meanings]
    examples = detection_examples(held.maxima, held.threshold, held.image, other.scene, plan.seed)
    every = [keys_of(units, world, network, progress), keys_of(held, other, network, progress), keys_of(sown, other, network, progress)]
    lessons = Lessons(
        Keys(np.concatenate([keys.values for keys in every]), np.concatenate([keys.present for keys in every])),
        texts,
        np.arange(len(texts)) >= len(units),
        (*(name.split("/")[0] for name in (*units.layer, *held.layer)), *("planted in other pictures" for _ in meanings)),
    )
    return lessons, Trial(every[1], examples, other)


def _seen(world: World) -> list[Meaning]:
    """Meanings that can be planted in a world and hold no unseen combination. A broader name is none: its exemplars are those of the most
    frequent of its kinds, so that units of cars would be called vehicles."""
    told = [meaning for meaning in single() + combined() if meaning.head not in BROAD or meaning.head in ("tree", "lamp")]
    return plantable([meaning for meaning in told if not hidden(meaning)], world)


def network_units(members: Sequence[Member], school: World, world: World, plan: Plan, say: Say) -> Units:
    """Units of networks that are trained on `school` and looked at in `world`."""
    parts = []
    for member in members:
        began = time.monotonic()
        maps = recorded(taught(member, school.pictures), world.pictures.pixels, plan.layers)
        parts += [units_of(f"{member.name}/{layer}", found, world, plan.units, member.seed) for layer, found in maps.items()]
        say(f"network {member.name}: {sum(map(len, parts[-plan.layers :]))} units, {time.monotonic() - began:.0f} s")
    return joined(parts)


def planted_units(meanings: Sequence[Meaning], world: World, count: int, seed: int) -> tuple[Units, list[Meaning]]:
    """So many planted units, half of them of single concepts and half of all other meanings, in random order and again from the start;
    half of them with noise, on maps of two sizes, each seeing half of the pictures."""
    random = np.random.default_rng((seed, 0x91A7))
    kinds = [[meaning for meaning in meanings if (meaning.words == 1) is alone] for alone in (True, False)]
    orders = [[kind[place] for place in random.permutation(len(kind))] for kind in kinds]
    several = [order[place % len(order)] for order in orders if order for place in range(count // 2)]
    several = [several[place] for place in random.permutation(len(several))]
    parts, chosen = [], []
    for place, (size, noise) in enumerate((((8, 8), 0.0), ((16, 16), 0.0), ((8, 8), 0.15), ((16, 16), 0.15))):
        some = several[place::4]
        for first in range(0, len(some), 250):
            found = planted(some[first : first + 250], world, size, noise=noise, shown=0.5, seed=seed + 1000 * place + first)
            parts.append(found)
            chosen += [some[first + unit] for unit in found.unit]
    return joined(parts), chosen


def described(units: Units, world: World, seed: int, step: str, progress: Progress) -> list[tuple[Said, ...]]:
    """What annotators say of units, without the unseen combinations."""
    progress.start(step, len(units), "unit")
    found = annotated(units, world, seed=seed, without=HIDDEN, advance=progress.advance)
    progress.done()
    return found


def keys_of(units: Units, world: World, network: LoadedNetwork, progress: Progress) -> Keys:
    """The captioner's keys of units."""
    progress.start("features", len(np.unique(units.image[units.image >= 0])), "image")
    found = captioner_keys(units, world, network, progress.advance)
    progress.done()
    return found


def learn_captioner(lessons: Lessons, plan: Plan, progress: Progress) -> tuple[CaptionDecoder, LstmLanguageModel, dict[str, Plain]]:
    """The decoder and the language model, with the facts of their training.

    Features are divided by their size in training, layer by layer of very different ones, and the division is then folded into the weights.
    """
    sides = (np.flatnonzero(~lessons.validation), np.flatnonzero(lessons.validation))
    vocabulary = Vocabulary.from_texts(text for unit in sides[0] for text in lessons.texts[unit])
    language = LanguageSizes(plan.embedding, plan.language, 2, 0.3)
    how = Training(batch=128, epochs=plan.passes, patience=2, rate=5e-3, seed=plan.seed)
    model, language_log = train_language_model(lessons.texts, vocabulary, language, how, split=sides, progress=progress)
    scale = feature_scale(lessons.keys, sides[0])
    scaled = Keys(lessons.keys.values * scale, lessons.keys.present)
    sizes = DecoderSizes(lessons.keys.values.shape[2], plan.embedding, plan.decoder, plan.decoder // 2, 0.3)
    how = Training(batch=128, epochs=plan.passes, patience=3, rate=2e-3, clip=5.0, seed=plan.seed)
    decoder, log = train_captioner(scaled, lessons.texts, vocabulary, sizes, how, split=sides, progress=progress)
    return folded(decoder, scale), model, {"captioner": _facts(log), "language_model": _facts(language_log)}


def feature_scale(keys: Keys, units: NDArray[np.int64]) -> NDArray[np.float32]:
    """(F,): 1 over the root mean square of each feature over the exemplars of these units; 1 for a feature that is always 0."""
    values = keys.values[units][keys.present[units]].astype(np.float64)
    size = np.sqrt((values**2).mean(axis=0))
    return np.where(size > 0, 1 / np.where(size > 0, size, 1), 1).astype(np.float32)


def folded(decoder: CaptionDecoder, scale: NDArray[np.float32]) -> CaptionDecoder:
    """The decoder that does with features what this one does with features times scale (F,). It is changed."""
    factor = torch.from_numpy(scale)
    with torch.no_grad():
        for layer in (decoder.first_hidden, decoder.first_cell, decoder.key):
            layer.weight *= factor
        decoder.cell.weight_ih[:, decoder.sizes.embedding :] *= factor
    return decoder


def _facts(log: TrainingLog) -> dict[str, Plain]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in log.plain().items()}  # type: ignore[misc]


def choose_weight(saved: SavedCaptioner, trial: Trial, progress: Progress) -> tuple[float, dict[str, Plain]]:
    """Lambda, with the mean AUC of the detection score on validation units of each that was tried; and of all texts said there the one that
    does best when it is said of every unit, the baseline "constant".

    Lambda is the best of those above 0; with 0 there is no PMI, so it is tried for comparison only.
    """
    naming, contents = Naming(trial.world.data.vocabulary), trial.world.contents
    progress.start("choose lambda", len(trial.keys), "unit")
    found = describe(
        saved.decoder.over(trial.keys), saved.language_model, Decoding("beam", saved.length, kept=50), advance=progress.advance
    )
    progress.done()
    scores: dict[float, float] = {}
    for weight in LAMBDAS:
        texts = [reranked(some, weight).text for some in found]
        scores[weight] = float(np.nanmean(detection(texts, trial.examples, contents, naming).auc))
    best = max((weight for weight in LAMBDAS if weight > 0), key=lambda weight: scores[weight])
    texts = [reranked(some, best).text for some in found]
    fixed = {text: float(np.nanmean(detection([text] * len(texts), trial.examples, contents, naming).auc)) for text in dict.fromkeys(texts)}
    facts: dict[str, Plain] = {f"{weight:g}": round(score, 4) for weight, score in scores.items()}
    return best, {"lambda_tried": facts, "constant": max(fixed, key=lambda text: fixed[text])}


def reranked(found: Sequence[Description], weight: float) -> Description:
    """The best of the texts of one beam by PMI with this lambda."""
    return max(found, key=lambda each: each.log_p_given - weight * (each.log_p or 0.0))


def train(
    output: Path, home: Path, plan: Plan | None = None, *, say: Say = print, progress: Progress | None = None
) -> SavedCaptioner:  # fmt: skip
    """Make a captioner and write it to `output` (NAME.json, and the safetensors beside it), in half precision.

    Raises:
        UsageError: the name has no .json. StorageError: a file could not be written.
    """
    plan, progress = plan or Plan(), progress or Quiet()
    network = embedded()
    began = time.monotonic()
    lessons, trial = gather(plan, home, network, say, progress)
    gathered = time.monotonic() - began
    say(f"{len(lessons.texts)} units gathered in {gathered:.0f} s")
    saved = finish(lessons, trial, plan, say, progress)
    saved = replace(saved, facts={**saved.facts, "seconds_gathering": round(gathered)})
    save_captioner(output, saved, torch.float16)
    return saved


def finish(lessons: Lessons, trial: Trial, plan: Plan, say: Say, progress: Progress) -> SavedCaptioner:
    """From lessons to a captioner with its lambda and its facts."""
    began = time.monotonic()
    decoder, model, logs = learn_captioner(lessons, plan, progress)
    saved = SavedCaptioner(decoder, model, RECIPES["demo"], 15, 0.2)
    weight, chosen = choose_weight(saved, trial, progress)
    seconds = time.monotonic() - began
    say(f"trained in {seconds:.0f} s, lambda {weight:g}")
    facts: dict[str, Plain] = {
        "title": "Captioner of the embedded default",
        "world": "drawn pictures of the embedded set: it has words for what is drawn there, and for nothing else",
        "trained_on": f"{int((~lessons.validation).sum())} units: of {plan.networks} trained and {plan.untrained} untrained networks, "
        "and planted ones; three texts each",
        "plan": asdict(plan),
        "unseen": ["+".join(sorted(pair)) for pair in sorted(HIDDEN, key=sorted)],
        **chosen,
        "seconds_training": round(seconds),
        **logs,
    }
    return replace(saved, weight=weight, facts=facts)


def shipped_captioner() -> Path:
    """The card of the captioner that the package brings along."""
    return shipped("models") / f"{NAME}.json"
