"""A captioner of our own kind as a describer: features of a frozen network under the masks, decoder, log p(d) from what goes with it.

Letters: U units, k exemplars, F features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from dissect.caption.decoder import BoundCaptioner
from dissect.caption.decoding import Decoding, Description, describe
from dissect.caption.describer import BoolArray, ExemplarSet
from dissect.caption.features import FeatureRecipe, Keys, keys, pooled
from dissect.caption.files import SavedCaptioner
from dissect.caption.scores import LanguageModel, Marginal, Prior
from dissect.errors import UsageError
from dissect.fingerprint import Plain, fingerprint
from dissect.network.model import Network
from dissect.probe.progress import Progress, Quiet

PriorKind = Literal["lm", "marginal"]
MARGINAL_UNITS = 16
"""Units whose p(d | E) is averaged for the marginal: each costs as many passes as describing by greedy does."""


@dataclass(frozen=True)
class TrainedDescriber:
    """See `Describer`. network: that of the captioner's recipe. prior: what gives log p(d): its language model, or the mean of
    p(d | E) over units of the same set."""

    name: str
    saved: SavedCaptioner
    network: Network
    prior: PriorKind = "lm"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __post_init__(self) -> None:
        self.saved.recipe.find(self.network)
        self.saved.decoder.to(self.device)
        if self.saved.language_model is not None:
            self.saved.language_model.to(self.device)

    def facts(self) -> Mapping[str, Plain]:
        """See `Describer`."""
        recipe = self.saved.recipe
        return {
            "captioner": self.saved.sha256,
            "vocabulary": fingerprint(list(self.saved.decoder.vocabulary.tokens)),
            "layers": list(recipe.layers),
            "resize": recipe.resize,
            "network": dict(self.network.describe()),
            "device": self.device.type,
            "prior": self.prior,
            "marginal_units": MARGINAL_UNITS if self.prior == "marginal" else None,
        }

    def describe(self, exemplars: ExemplarSet, decoding: Decoding, progress: Progress) -> list[tuple[Description, ...]]:
        """See `Describer`."""
        self.check(decoding)
        described: list[tuple[Description, ...]] = [() for _ in range(len(exemplars))]
        seen = np.flatnonzero(exemplars.seen.any(axis=1))
        if len(seen):
            found = exemplar_keys(self.network, self.saved.recipe, exemplars, progress)
            bound = self.saved.decoder.over(Keys(found.values[seen], found.present[seen]))
            progress.start("describe", len(seen), "unit")
            texts = describe(bound, self._prior(bound, found, seen), decoding, advance=progress.advance)
            progress.done()
            for unit, several in zip(seen.tolist(), texts, strict=True):
                described[unit] = several
        return described

    def check(self, decoding: Decoding) -> None:
        """Refuse a decoding that this captioner cannot do.

        Raises:
            UsageError: it needs log p(d) of a kind that is not there.
        """
        if self.prior == "lm" and self.saved.language_model is None and decoding.strategy in ("rerank", "stepwise"):
            raise UsageError(
                f"captioner {self.name} has no language model, so decoding by {decoding.strategy} lacks log p(d). "
                "Add --prior marginal with --strategy rerank, or use --strategy beam."
            )
        if self.prior == "marginal" and decoding.strategy == "stepwise":
            raise UsageError("--strategy stepwise needs a language model: leave --prior out, or use --strategy rerank.")

    def _prior(self, bound: BoundCaptioner, found: Keys, seen: NDArray[np.intp]) -> LanguageModel | Prior | None:
        if self.prior == "lm":
            return self.saved.language_model
        several = min(MARGINAL_UNITS, bound.units)
        some = seen[[place * len(seen) // several for place in range(several)]]
        return Marginal(self.saved.decoder.over(Keys(found.values[some], found.present[some])))


def exemplar_keys(network: Network, recipe: FeatureRecipe, exemplars: ExemplarSet, progress: Progress | None = None) -> Keys:
    """Keys (U, k, F) of a set of exemplars; those whose mask is empty are absent.

    Raises:
        LayerError, NetworkError: the network does not fit the recipe. ImageError: a picture cannot be read.
    """
    progress = progress or Quiet()
    places = np.argwhere(exemplars.seen)
    numbers = exemplars.image[exemplars.seen].tolist()
    progress.start("features", len(set(numbers)))
    masks = _Masks(exemplars, places)
    features = pooled(network, recipe, exemplars.picture, masks, numbers, advance=progress.advance)
    progress.done()
    place = np.full(exemplars.image.shape, -1)
    place[exemplars.seen] = np.arange(len(places))
    return keys(features, place)


@dataclass(frozen=True)
class _Masks:
    """The masks of a set, one after another."""

    exemplars: ExemplarSet
    places: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int, /) -> BoolArray:
        unit, rank = self.places[index].tolist()
        return self.exemplars.mask(unit, rank)
