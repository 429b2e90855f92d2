"""What people wrote about the units of ResNet-152 (MILANNOTATIONS): their agreement, and language models that predict them.

    nice -n 10 python -m benchmarks.caption_text [--annotations FILE] [--hidden 128] [--layers-out] [--no-lstm]

Perplexity a word of held-out *units* (all three descriptions of a unit are on one side), for an LSTM, Kneser-Ney n-grams and a uniform
model with one vocabulary; then one annotator against the other two of the same unit, and against those of another unit.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.common import check, leave, machine
from dissect.caption.human import Agreement, Predicted, agreement, chance_agreement, predict
from dissect.caption.language import LanguageSizes
from dissect.caption.milannotations import Annotations, read_annotations
from dissect.caption.training import Training, split_units
from dissect.probe.progress import progress_for

FILE = "data/human_annotations/MILANNOTATIONS_resnet152_imagenet.csv"
NAMES = ("uniform", "unigram", "bigram", "trigram", "lstm")


def table(title: str, found: Predicted) -> None:
    """Perplexities of all held-out units, then of each group."""
    log = f"; lstm: {len(found.log.epochs)} epochs, {found.log.seconds:.0f} s" if found.log else ""
    print(f"\n{title}: {found.train_texts:,} texts predict {found.held_out_texts:,}; {found.vocabulary:,} tokens, ", end="")
    print(f"{found.unknown:.1%} of the predicted unknown{log}")
    shown = [name for name in NAMES if name in found.perplexity]
    print(f"{'perplexity':14}" + "".join(f"{name:>10}" for name in shown))
    for name, row in {"all": found.perplexity, **found.by_group}.items():
        print(f"{name:14}" + "".join(f"{row[each]:10.1f}" for each in shown))


def agreements(texts: Sequence[Sequence[str]], layers: Sequence[str]) -> tuple[Agreement, Agreement]:
    """Prints and gives the agreement of all units, and that by chance."""
    print("\none annotator against the other two  BLEU-1  BLEU-2  BLEU-4   best F1   mean F1   exact")

    def line(name: str, found: Agreement) -> None:
        orders = "".join(f"{found.bleu[order - 1]:8.3f}" for order in (1, 2, 4))
        print(f"{name:36} {orders} {found.best_f1:9.3f} {found.mean_f1:9.3f} {found.exact:7.1%}")

    whole, chance = agreement(texts), chance_agreement(texts)
    line("same unit", whole)
    for layer in dict.fromkeys(layers):
        line(f"  {layer}", agreement([each for each, of in zip(texts, layers, strict=True) if of == layer]))
    line("another unit (chance)", chance)
    return whole, chance


def layer_splits(notes: Annotations) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each layer predicted from all others."""
    layers = np.array([layer for layer, _ in notes.units])
    return {name: (np.flatnonzero(layers != name), np.flatnonzero(layers == name)) for name in notes.layers}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command of the module's text."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.caption_text", description=(__doc__ or "").split("\n")[0])
    root = Path(os.environ.get("DISSECT_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    parser.add_argument("--annotations", type=Path, default=root / FILE)
    parser.add_argument("--hidden", type=int, default=128, help="of the LSTM (published: 512)")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the split and of the LSTM")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--layers-out", action="store_true", help="also predict each layer from all others (n-grams only)")
    parser.add_argument("--no-lstm", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    print(machine())
    began = time.monotonic()
    notes = read_annotations(options.annotations, each=3)
    layers = [layer for layer, _ in notes.units]
    print(f"{len(notes):,} units of {len(notes.layers)} layers, {3 * len(notes):,} descriptions")
    sizes = None if options.no_lstm else LanguageSizes(hidden=options.hidden, dropout=0.3)
    how = Training(batch=32, epochs=options.epochs, patience=1, rate=4e-3, seed=options.seed)
    found = predict(
        notes.texts, split_units(len(notes), 0.1, options.seed), groups=layers, lstm=sizes, how=how, progress=progress_for(sys.stderr)
    )
    table("a tenth of the units", found)
    for name, sides in layer_splits(notes).items() if options.layers_out else ():
        table(f"all units of {name}", predict(notes.texts, sides))
    whole, chance = agreements(notes.texts, layers)
    print(f"\n{time.monotonic() - began:.0f} s in all")
    best = min(found.perplexity, key=lambda name: found.perplexity[name])
    leave([
        check("people agree more on the same unit than on another (best F1)", whole.best_f1 / chance.best_f1, 1.0, at_most=False),
        check(f"best model ({best}) against unigram perplexity", found.perplexity["unigram"] / found.perplexity[best], 1.5, at_most=False),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
