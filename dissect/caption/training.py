"""Training of the captioner and of the language model, stopped early, with the best weights put back.

AdamW over shuffled batches of texts; after each epoch the loss on held-out *units* is measured (all texts of a unit are on one side, and
twins of a group too). When it has not fallen for `patience` epochs the training ends. The best weights are kept as a copy: a state dict
holds the parameters themselves, and what is "restored" from one that was not copied is what training ended with.
Letters: U units, k exemplars, F features. Losses are nats a word.
Source: Hernandez et al. 2022, appendix B: AdamW, batch 64 (language model: 128), at most 100 epochs, patience 4, a tenth held out.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dissect.caption.decoder import CaptionDecoder, DecoderSizes
from dissect.caption.decoding import Decoding, describe
from dissect.caption.features import Keys
from dissect.caption.language import LanguageSizes, LstmLanguageModel
from dissect.caption.metrics import bleu
from dissect.caption.scores import LanguageModel, Prior, as_prior
from dissect.caption.tokens import Vocabulary
from dissect.errors import DataError, UsageError
from dissect.probe.progress import Progress, Quiet

Indices = NDArray[np.int64]
Texts = Sequence[Sequence[str]]
"""Of each unit its texts."""


@dataclass(frozen=True)
class Training:
    """How to train. length: words of a text at most. rate, decay: of AdamW. clip: largest norm of a gradient, 0 for any.
    regularise: weight of the attention's part of the captioner's loss."""

    batch: int = 64
    epochs: int = 100
    patience: int = 4
    held_out: float = 0.1
    length: int = 15
    rate: float = 1e-3
    decay: float = 0.01
    clip: float = 0.0
    regularise: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.batch, self.epochs, self.patience, self.length) < 1:
            raise UsageError("batch, epochs, patience and length of a training are 1 or more.")
        if not 0 < self.held_out < 1 or not self.rate > 0:
            raise UsageError("the held-out share of a training is between 0 and 1, and its rate above 0.")


LANGUAGE = Training(batch=128)
"""The published training of the language model."""


@dataclass(frozen=True)
class Epoch:
    """One pass over the training texts. train, held_out: loss (nats a word); bleu: of greedy descriptions of held-out units, if asked."""

    train: float
    held_out: float
    bleu: float | None = None

    @property
    def perplexity(self) -> float:
        """exp of the held-out loss; of a captioner without the attention's part."""
        return math.exp(self.held_out)


@dataclass(frozen=True)
class TrainingLog:
    """epochs in order; best: the index of the one whose weights stayed. train_units, held_out_units: numbers of the units on each side.
    seconds: wall time."""

    epochs: tuple[Epoch, ...]
    best: int
    train_units: tuple[int, ...] = field(repr=False)
    held_out_units: tuple[int, ...] = field(repr=False)
    seconds: float = field(compare=False, default=0.0)

    def plain(self) -> dict[str, object]:
        """The facts for a card: epochs, the best one, its losses and scores."""
        best = self.epochs[self.best]
        return {
            "epochs": len(self.epochs),
            "best_epoch": self.best + 1,
            "train_loss": best.train,
            "held_out_loss": best.held_out,
            "held_out_perplexity": best.perplexity,
            "held_out_bleu": best.bleu,
            "train_units": len(self.train_units),
            "held_out_units": len(self.held_out_units),
            "seconds": round(self.seconds, 1),
        }


def split_units(units: int, share: float, seed: int, groups: Sequence[Hashable] | None = None) -> tuple[Indices, Indices]:
    """Numbers of the units to train on and of those held out, ascending; at least one of each.

    groups (U,): units of one group stay together (bit-equal twins, or all units of one network); None: each is its own.

    Raises:
        UsageError: there are fewer than two groups, or not one group a unit.
    """
    labels = list(range(units)) if groups is None else list(groups)
    if len(labels) != units:
        raise UsageError(f"{len(labels)} groups for {units} units.")
    names = list(dict.fromkeys(labels))
    if len(names) < 2:
        raise UsageError(f"{units} units of {len(names)} group cannot be split. Give units of two groups or more.")
    order = np.random.default_rng((seed, 0x5917)).permutation(len(names))
    held = {names[place] for place in order[: min(max(1, round(share * len(names))), len(names) - 1)]}
    inside = np.array([label in held for label in labels])
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def train_language_model(
    texts: Texts,
    vocabulary: Vocabulary,
    sizes: LanguageSizes | None = None,
    how: Training = LANGUAGE,
    *,
    split: tuple[Indices, Indices] | None = None,
    progress: Progress | None = None,
) -> tuple[LstmLanguageModel, TrainingLog]:
    """A language model of the texts of U units, in evaluation mode with its best weights, and how it went.

    split: units to train on and held out; None draws them (`split_units`).

    Raises:
        DataError: one side has no text.
    """
    sides = split or split_units(len(texts), how.held_out, how.seed)
    with _seeded(how.seed):
        model = LstmLanguageModel(vocabulary, sizes)
        train, held = (_pairs(texts, vocabulary, side, how.length)[1] for side in sides)

        def loss(rows: Indices, held_out: bool) -> torch.Tensor:
            return model.loss(_trimmed((held if held_out else train)[rows], vocabulary))

        epochs, best, seconds = _train(model, (train, held), vocabulary, loss, how, progress or Quiet(), "language model")
    return model, TrainingLog(epochs, best, _plain(sides[0]), _plain(sides[1]), seconds)


def train_captioner(
    keys: Keys,
    texts: Texts,
    vocabulary: Vocabulary,
    sizes: DecoderSizes | None = None,
    how: Training | None = None,
    *,
    split: tuple[Indices, Indices] | None = None,
    bleu_units: int = 64,
    progress: Progress | None = None,
) -> tuple[CaptionDecoder, TrainingLog]:
    """A captioner of U units with their texts, in evaluation mode with its best weights, and how it went.

    bleu_units: of so many held-out units the BLEU of greedy descriptions is logged after each epoch; 0 leaves it out.

    Raises:
        DataError: not as many units as lists of texts, or one side has no text.
    """
    how = how or Training()
    if len(keys) != len(texts):
        raise DataError(f"keys of {len(keys)} units, but texts of {len(texts)}. Give one list of texts a unit.")
    sides = split or split_units(len(texts), how.held_out, how.seed)
    values, present = torch.from_numpy(keys.values), torch.from_numpy(keys.present)
    with _seeded(how.seed):
        model = CaptionDecoder(vocabulary, sizes or DecoderSizes(keys.values.shape[2]))
        data = [_pairs(texts, vocabulary, side, how.length) for side in sides]

        def loss(rows: Indices, held_out: bool) -> torch.Tensor:
            units, words = data[held_out]
            chosen = units[rows]
            return model.loss(values[chosen], present[chosen], _trimmed(words[rows], vocabulary), 0.0 if held_out else how.regularise)

        def score() -> float | None:
            shown = [unit for unit in sides[1].tolist() if texts[unit]][:bleu_units]
            if not shown:
                return None
            found = describe(model.over(Keys(keys.values[shown], keys.present[shown])), None, Decoding("greedy", how.length))
            return bleu([each[0].text for each in found], [texts[unit] for unit in shown])

        epochs, best, seconds = _train(
            model, (data[0][1], data[1][1]), vocabulary, loss, how, progress or Quiet(), "captioner", score if bleu_units else None
        )
    return model, TrainingLog(epochs, best, _plain(sides[0]), _plain(sides[1]), seconds)


def perplexity(model: LanguageModel | Prior, texts: Sequence[str], vocabulary: Vocabulary, length: int | None = None) -> float:
    """exp of the mean of -log p over all words and stops of the texts; unknown words count as what the model gives them.

    Raises:
        DataError: there is no text.
    """
    if not texts:
        raise DataError("perplexity of no text. Give one text or more.")
    rows = vocabulary.batch(texts, length)
    return math.exp(-float(as_prior(model).log_p(rows).sum()) / int((rows[:, 1:] != vocabulary.pad).sum()))


def _train(
    model: nn.Module,
    rows: tuple[torch.Tensor, torch.Tensor],
    vocabulary: Vocabulary,
    loss: Callable[[Indices, bool], torch.Tensor],
    how: Training,
    progress: Progress,
    name: str,
    score: Callable[[], float | None] | None = None,
) -> tuple[tuple[Epoch, ...], int, float]:
    """The loop of both trainings. loss(numbers of texts, held out): of a batch. Gives the epochs, the best one and the seconds."""
    began = time.monotonic()
    optimizer = torch.optim.AdamW(model.parameters(), lr=how.rate, weight_decay=how.decay)
    random = np.random.default_rng((how.seed, 0x7EA1))
    epochs: list[Epoch] = []
    best, kept = 0, _copied(model)
    progress.start(f"train {name}", how.epochs, "epoch")
    for number in range(how.epochs):
        model.train()
        trained = [
            _stepped(loss(some, False), model, optimizer, how.clip) for some in _batches(random.permutation(len(rows[0])), how.batch)
        ]
        model.eval()
        epochs.append(Epoch(float(np.mean(trained)), _mean_loss(loss, rows[1], vocabulary, how.batch), score() if score else None))
        progress.advance()
        if not math.isfinite(epochs[-1].held_out):
            raise DataError(
                f"the training of the {name} left the finite numbers in epoch {number + 1}. Lower its rate, or clip its gradients."
            )
        if number == 0 or epochs[-1].held_out < epochs[best].held_out:
            best, kept = number, _copied(model)
        elif number - best >= how.patience:
            break
    progress.done()
    model.load_state_dict(kept)
    return tuple(epochs), best, time.monotonic() - began


def _copied(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _stepped(loss: torch.Tensor, model: nn.Module, optimizer: torch.optim.Optimizer, clip: float) -> float:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    if clip:
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return loss.item()


def _mean_loss(loss: Callable[[Indices, bool], torch.Tensor], rows: torch.Tensor, vocabulary: Vocabulary, batch: int) -> float:
    """Mean over words, not over batches, so that it does not depend on how they fall."""
    total, words = 0.0, 0
    with torch.inference_mode():
        for some in _batches(np.arange(len(rows)), batch):
            several = int((rows[some][:, 1:] != vocabulary.pad).sum())
            total += loss(some, True).item() * several
            words += several
    return total / words


def _batches(order: Indices, size: int) -> Iterator[Indices]:
    return (order[first : first + size] for first in range(0, len(order), size))


def _pairs(texts: Texts, vocabulary: Vocabulary, units: Indices, length: int) -> tuple[Indices, torch.Tensor]:
    """The unit of each text and the texts' rows, of some units."""
    chosen = [(unit, text) for unit in units.tolist() for text in texts[unit]]
    if not chosen:
        raise DataError("a side of the training has no text. Give texts to more units, or hold out another share.")
    return np.array([unit for unit, _ in chosen]), vocabulary.batch([text for _, text in chosen], length)


def _trimmed(rows: torch.Tensor, vocabulary: Vocabulary) -> torch.Tensor:
    """Rows without the columns that only pad."""
    return rows[:, : int((rows != vocabulary.pad).sum(dim=1).max())]


def _plain(numbers: Indices) -> tuple[int, ...]:
    return tuple(int(number) for number in numbers)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Torch's random numbers from a seed inside, and as they were outside."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
