"""What a user asks for, as plain data: one request makes one run, and the run keeps it, so that it can be taken up again by its number."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from dissect.errors import UsageError
from dissect.fingerprint import Plain
from dissect.probe.profile import PROFILES, profile

METHODS = ("netdissect", "compositional", "milan")


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One run: which network, which data, which rules.

    model: a card's name or path, `torchvision:NAME`, `timm:NAME`, `transformers:NAME or folder`, `package.module:factory`.
    data: a card's name or path. layers: names or wildcards; empty takes the card's, else the last layer with maps.
    activation_dtype: `float16`, `float32`, or None for the profile's own. label_size: (H, W) or None for the data set's own, else half
    the network's input. geometry: `squash`, or `model` for the network's own resize and crop. limit: use that many evenly spaced images.
    threshold: a detector's IoU is above it. min_images: concepts on fewer images get no label. top: concepts kept a unit and category.
    input_size: (H, W) instead of the network's own. prefix_tokens: tokens before those of the patches, where that cannot be known.
    step: training step of the weights, where it is known; changes no result.
    trust, partial, ema: how a checkpoint is read (see `network.checkpoint`). fast: channels_last, folded batch norm, packed filters.
    """

    model: str
    data: str
    layers: tuple[str, ...] = ()
    weights: str | None = None
    split: str | None = None
    limit: int | None = None
    profile: str = "standard"
    quantile: float = 0.005
    activation_dtype: Literal["float16", "float32"] | None = None
    label_size: tuple[int, int] | None = None
    geometry: Literal["squash", "model"] = "squash"
    methods: tuple[str, ...] = METHODS[:1]
    threshold: float = 0.04
    min_images: int = 1
    top: int = 5
    exemplars: int = 15
    colour_naming: bool | None = None
    fast: bool = True
    trust: bool = False
    partial: bool = False
    ema: bool = False
    step: int | None = None
    input_size: tuple[int, int] | None = None
    prefix_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise UsageError(f"there is no profile {self.profile!r}.{_meant(self.profile, PROFILES)} Profiles: {', '.join(PROFILES)}.")
        rules = profile(self.profile)
        if not 0 < self.quantile < 1:
            raise UsageError(
                f"--quantile is {self.quantile}. Give the share of activations above the threshold, between 0 and 1; 0.005 is usual."
            )
        if self.activation_dtype is not None and self.activation_dtype not in rules.activation_dtypes:
            raise UsageError(
                f"profile {self.profile} keeps activations as {' or '.join(rules.activation_dtypes)}, not {self.activation_dtype}. "
                f"Leave --activation-dtype out, or choose another of: {', '.join(PROFILES)}."
            )
        for name, least in (("limit", 1), ("min_images", 1), ("top", 1), ("exemplars", 1), ("step", 0), ("prefix_tokens", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"--{name.replace('_', '-')} is {value}. Give a whole number of at least {least}.")
        if not 0 <= self.threshold < 1:
            raise UsageError(f"--threshold is {self.threshold}. Give an IoU from 0 to below 1; 0.04 is usual.")
        for method in self.methods:
            if method not in METHODS:
                raise UsageError(f"there is no method {method!r}.{_meant(method, METHODS)} Methods: {', '.join(METHODS)}.")

    def as_plain(self) -> dict[str, Plain]:
        """For the run's row; `from_plain` reads it back."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Plain]) -> RunRequest:
        """What `as_plain` wrote.

        Raises:
            UsageError: it was written by another version and no longer fits.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        values: dict[str, object] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in plain.items() if name in names
        }
        try:
            return cls(**values)  # type: ignore[arg-type]
        except TypeError as error:
            raise UsageError(f"the run's settings cannot be read ({error}). Start it again with dissect run MODEL --data D.") from error


def _meant(name: str, known: Iterable[str]) -> str:
    """The name that was probably meant, as a question."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""
