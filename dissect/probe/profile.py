"""The named rules in which published programs of Network Dissection silently disagree. One engine, four profiles.

Sources: Bau et al. 2017, "Network Dissection" and its program (`netdissect`); the NetDissect-Lite program (`lite`);
Mu & Andreas 2020, "Compositional Explanations of Neurons" and its program (`compexp`). `standard` is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dissect.errors import UsageError

ActivationDtype = Literal["float16", "float32"]


@dataclass(frozen=True, slots=True)
class Profile:
    """Every rule in which the programs differ.

    quantile: `order` (the `floor(q*n)+1`-th largest value), or linear interpolation of the sorted values at level
        `(999 - round(1000 q)) / 999` (`netdissect`) or `(int(1000 (1-q)) - 1) / 999` (`lite`).
    threshold_dtype: what the threshold is rounded to before masks are made (they are compared in the dtype of the maps).
    upsampling: `half_pixel` (align_corners=False, clamped) or `receptive_field` centres.
    area: which images' active pixels count as A of a concept: `annotated` (its primary category is annotated, or the concept is
        present), `holding` (any label whose primary category is the concept's), `touched` (active pixels touch the category, or a
        whole-image label of it), `all`.
    overlap: one concept in two planes at one pixel counts once (`union`) or twice (`multiplicity`).
    label_zero: whole-image labels 0 are dropped, leak as a label of the last category with A = 0 (`leak_no_area`), or leak (`leak`).
    ties: equal IoU goes to the larger intersection, then concept order (`intersection`), to the later category and label (`later`),
        or to the first (`first`).
    epsilon: added to the denominator; 0 means that an empty union scores 0.
    categories: the only categories scored, or None for all.
    void: pixels that are void for a category leave A of its concepts (`out`), or stay in it as unlabelled ones do (`unlabelled`:
        the published programs know no void).
    """

    name: str
    activation_dtypes: tuple[ActivationDtype, ...]
    quantile: Literal["order", "netdissect", "lite"]
    threshold_dtype: Literal["activation", "float32", "float64"]
    upsampling: Literal["half_pixel", "receptive_field"]
    area: Literal["annotated", "holding", "touched", "all"]
    overlap: Literal["union", "multiplicity"]
    label_zero: Literal["drop", "leak_no_area", "leak"]
    ties: Literal["intersection", "later", "first"]
    epsilon: float
    categories: tuple[str, ...] | None = None
    void: Literal["out", "unlabelled"] = "out"


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("standard", ("float16", "float32"), "order", "activation", "half_pixel", "annotated", "union", "drop", "intersection", 0.0),
        Profile(
            "netdissect", ("float32",), "netdissect", "float32", "receptive_field", "holding", "multiplicity", "leak_no_area", "later",
            1e-20, void="unlabelled",
        ),
        Profile(
            "lite", ("float32",), "lite", "float64", "half_pixel", "touched", "multiplicity", "leak", "later", 1e-10, void="unlabelled"
        ),
        Profile(
            "compexp", ("float32",), "lite", "float64", "half_pixel", "all", "union", "drop", "first", 1e-10,
            ("object", "part", "scene", "texture", "color"), "unlabelled",
        ),
    )
}  # fmt: skip


def profile(name: str) -> Profile:
    """The profile of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in PROFILES:
        raise UsageError(f"there is no profile {name!r}. Profiles: {', '.join(PROFILES)}.")
    return PROFILES[name]
