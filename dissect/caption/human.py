"""What people wrote about units: how far they agree with each other, and how well language models predict them.

Agreement is the ceiling of every text metric: a description cannot be expected to be more like a person's than another person's is. The
same figures with texts of *other* units are its floor: what descriptions have in common whatever they describe.
Letters: U units, with two texts or more each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.caption.language import LanguageSizes, NgramModel
from dissect.caption.metrics import best_f1, bleu, token_f1
from dissect.caption.scores import LanguageModel, Prior
from dissect.caption.tokens import Vocabulary, split
from dissect.caption.training import LANGUAGE, Training, TrainingLog, perplexity, train_language_model
from dissect.errors import DataError
from dissect.probe.progress import Progress

Texts = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Agreement:
    """Of one annotator against the others of the same unit, in [0, 1].

    bleu: corpus BLEU of orders 1 to 4, the others being references. best_f1, mean_f1: token F1 with the nearest of the others, and with
    all of them, averaged over annotators and units. exact: share of texts whose tokens are those of another. texts: how many.
    """

    bleu: tuple[float, float, float, float]
    best_f1: float
    mean_f1: float
    exact: float
    texts: int


def agreement(texts: Texts, others: Texts | None = None) -> Agreement:
    """Every text against the others of its unit, or against all but one of `others` (U lists), as many as it has others.

    Raises:
        DataError: a unit has fewer than two texts.
    """
    if not texts or any(len(several) < 2 for several in texts):
        raise DataError("agreement needs two texts or more of each unit.")
    candidates, references = [], []
    for unit, several in enumerate(texts):
        for place, text in enumerate(several):
            rest = several if others is None else others[unit]
            candidates.append(text)
            references.append([other for number, other in enumerate(rest) if number != place % len(rest)])
    pairs = list(zip(candidates, references, strict=True))
    return Agreement(
        (
            bleu(candidates, references, 1),
            bleu(candidates, references, 2),
            bleu(candidates, references, 3),
            bleu(candidates, references, 4),
        ),
        float(np.mean([best_f1(text, several) for text, several in pairs])),
        float(np.mean([np.mean([token_f1(text, other) for other in several]) for text, several in pairs])),
        float(np.mean([any(split(text) == split(other) for other in several) for text, several in pairs])),
        len(candidates),
    )


def chance_agreement(texts: Texts, seed: int = 0) -> Agreement:
    """The same figures, each unit's texts against those of another unit drawn without return (no unit keeps its own).

    Raises:
        DataError: there are fewer than two units, or one with fewer than two texts.
    """
    if len(texts) < 2:
        raise DataError("chance agreement needs two units or more.")
    order = np.random.default_rng((seed, 0xC4A7)).permutation(len(texts))
    partner = np.empty(len(texts), np.int64)
    partner[order] = np.roll(order, 1)
    return agreement(texts, [texts[unit] for unit in partner.tolist()])


@dataclass(frozen=True)
class Predicted:
    """Perplexity a word (and stop) of held-out units' texts under each model, all with one vocabulary from the training side.

    perplexity: by model: `uniform`, `unigram`, `bigram`, `trigram`, `lstm`. unknown: share of held-out tokens outside the vocabulary.
    by_group: the same of the held-out units of each group, if groups were given. log: of the LSTM's training.
    """

    perplexity: dict[str, float]
    unknown: float
    vocabulary: int
    train_texts: int
    held_out_texts: int
    by_group: dict[str, dict[str, float]]
    log: TrainingLog | None


def predict(
    texts: Texts,
    sides: tuple[NDArray[np.int64], NDArray[np.int64]],
    *,
    groups: Sequence[str] | None = None,
    least: int = 2,
    lstm: LanguageSizes | None = None,
    how: Training = LANGUAGE,
    progress: Progress | None = None,
) -> Predicted:
    """How well models of the texts of some units predict those of others.

    sides: numbers of the units to train on, and of those to predict, which no model sees. groups (U,): a name of each unit to report
    apart, such as its layer. least: occurrences from which a training word is in the vocabulary. lstm: sizes of the LSTM, None to leave
    it out; what stops its training is a part (`how.held_out`) of the training units, never the units to predict. Texts are cut to
    `how.length` words.

    Raises:
        DataError: a side has no text.
    """
    train, held = ([text for unit in side.tolist() for text in texts[unit]] for side in sides)
    if not train or not held:
        raise DataError("a side of the split has no text. Give texts to more units, or split otherwise.")
    vocabulary = Vocabulary.from_texts(train, least)
    models: dict[str, LanguageModel | Prior] = {
        name: NgramModel(vocabulary, train, order) for order, name in enumerate(("unigram", "bigram", "trigram"), start=1)
    }
    log = None
    if lstm is not None:
        models["lstm"], log = train_language_model([texts[unit] for unit in sides[0]], vocabulary, lstm, how, progress=progress)
    tokens = [number for text in held for number in vocabulary.encode(text)]
    by_group: dict[str, list[str]] = {}
    for unit in sides[1].tolist() if groups is not None else ():
        by_group.setdefault(groups[unit] if groups else "", []).extend(texts[unit])
    return Predicted(
        _perplexities(models, held, vocabulary, how.length),
        float(np.mean([number == vocabulary.unknown for number in tokens])) if tokens else 0.0,
        len(vocabulary),
        len(train),
        len(held),
        {name: _perplexities(models, several, vocabulary, how.length) for name, several in sorted(by_group.items()) if several},
        log,
    )


def _perplexities(models: dict[str, LanguageModel | Prior], texts: Sequence[str], vocabulary: Vocabulary, length: int) -> dict[str, float]:
    found = {"uniform": float(len(vocabulary) - 2)}  # words, stop and unknown may follow
    return found | {name: perplexity(model, texts, vocabulary, length) for name, model in models.items()}
