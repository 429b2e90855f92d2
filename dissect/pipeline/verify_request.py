"""Which tests of a run's labels are wanted, as plain data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from dissect.errors import UsageError
from dissect.fingerprint import Plain

MOST_PERMUTATIONS = 100_000


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """Which tests, and how finely.

    permutations: shuffles of the label maps for concept labels, 0 for no such test; the least p is 1 / (1 + permutations).
    formula_permutations: the same for formulas, each with a search of its own. resamples: draws of the bootstrap, 0 for no interval.
    held_out: whether to choose and score on different halves. rotations: random bases of each layer. null_min_images: only
    concepts in so many images are compared under shuffling, 0 for those of the run. random_weights: how many networks of the same
    architecture with random weights are dissected for comparison. seed: of everything drawn.
    """

    permutations: int = 200
    formula_permutations: int = 100
    resamples: int = 1000
    held_out: bool = True
    rotations: int = 1
    null_min_images: int = 0
    random_weights: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        limits = (
            ("permutations", 0, MOST_PERMUTATIONS), ("formula_permutations", 0, MOST_PERMUTATIONS), ("resamples", 0, 1_000_000),
            ("rotations", 0, 100), ("null_min_images", 0, None), ("random_weights", 0, 20), ("seed", 0, 2**32 - 1),
        )  # fmt: skip
        for name, least, most in limits:
            value = getattr(self, name)
            if value < least or (most is not None and value > most):
                span = f"{least} to {most:,}" if most is not None else f"at least {least}"
                raise UsageError(f"--{name.replace('_', '-')} is {value}. Give a whole number, {span}.")
        if 0 < self.resamples < 100:
            raise UsageError(f"--resamples is {self.resamples}. An interval needs 100 draws or more; 0 is none.")

    def as_plain(self) -> dict[str, Plain]:
        """For the database."""
        return dict(dataclasses.asdict(self))
