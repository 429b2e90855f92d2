"""How alike texts are: BLEU and token F1. Neither says that a description is right.

How far people agree with each other is the ceiling of both.

Source: Papineni et al. 2002, "BLEU". Tokens are those of `tokens.split`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from dissect.caption.tokens import split
from dissect.errors import UsageError


def bleu(candidates: Sequence[str], references: Sequence[Sequence[str]], order: int = 4) -> float:
    """Corpus BLEU in [0, 1]: the geometric mean of clipped n-gram precisions up to `order`, times the brevity penalty.

    candidates: N texts; references: one text or more for each. Counts are summed over the corpus before dividing, there is no
    smoothing, and the reference nearest in length counts (the shorter of equals).

    Raises:
        UsageError: not as many reference lists as candidates, none at all, or a candidate without a reference.
    """
    if len(candidates) != len(references) or not candidates or not all(references):
        raise UsageError("BLEU needs one list of one reference or more for each candidate, and one candidate at least.")
    matched, possible, own, nearest = Counter[int](), Counter[int](), 0, 0
    for candidate, several in zip(candidates, references, strict=True):
        tokens, others = split(candidate), [split(text) for text in several]
        own += len(tokens)
        nearest += min((len(other) for other in others), key=lambda length: (abs(length - len(tokens)), length))
        for n in range(1, order + 1):
            grams = _grams(tokens, n)
            limit = Counter[tuple[str, ...]]()
            for other in others:
                limit |= _grams(other, n)
            matched[n] += (grams & limit).total()
            possible[n] += grams.total()
    if not all(matched[n] for n in range(1, order + 1)):
        return 0.0
    precision = sum(math.log(matched[n] / possible[n]) for n in range(1, order + 1)) / order
    return math.exp(precision + min(0.0, 1 - nearest / own))


def token_f1(candidate: str, reference: str) -> float:
    """Harmonic mean of precision and recall of the tokens of two texts, each token counted as often as it occurs; 1 for two empty ones."""
    mine, other = Counter(split(candidate)), Counter(split(reference))
    if not mine and not other:
        return 1.0
    return 2 * (mine & other).total() / (mine.total() + other.total())


def best_f1(candidate: str, references: Sequence[str]) -> float:
    """The largest `token_f1` with any of the references.

    Raises:
        UsageError: there is no reference.
    """
    if not references:
        raise UsageError("F1 needs one reference or more.")
    return max(token_f1(candidate, reference) for reference in references)


def _grams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[place : place + n]) for place in range(len(tokens) - n + 1))
