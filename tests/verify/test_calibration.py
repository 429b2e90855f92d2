"""Is a p-value what it says: uniform where masks and labels have nothing to do with each other, at the floor where they do.

Noise: smooth maps that do not depend on the picture. Shuffled: units that do detect things, with the label maps of other pictures.
Units of random or rotated networks depend on the picture, so they are no test of the level.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.ndimage import zoom

from dissect.concepts.model import Labels, Plane
from dissect.probe.profile import PROFILES
from dissect.verify.formula_null import formula_null
from dissect.verify.null import LayerNull, independence_null
from dissect.verify.rates import q_values, share_interval
from dissect.verify.shuffles import shuffles
from tests.probe.oracles import Scene, vocabulary
from tests.verify.scenes import Drawn, records

SIZE, IMAGES, UNITS, SHUFFLES = (12, 12), 40, 12, 99
Kind = Literal["noise", "shuffled", "planted"]


def drawn_set(seed: int, kind: Kind) -> Drawn:
    """40 pictures with some of 8 things on them, and 12 units."""
    random = np.random.default_rng(seed)
    known, present = vocabulary(8, ("object", "part")), np.zeros((IMAGES, *SIZE), np.uint16)
    for picture in present:
        for _ in range(random.integers(1, 5)):
            y, x = random.integers(0, 9, 2)
            picture[y : y + random.integers(2, 6), x : x + random.integers(2, 6)] = random.integers(1, 9)
    maps = zoom(random.normal(size=(IMAGES, UNITS, 4, 4)), (1, 1, 3, 3), order=1)
    if kind != "noise":
        maps += 6 * (present[:, None] == np.arange(UNITS)[:, None, None] % 8 + 1)
    given = present[random.permutation(IMAGES)] if kind == "shuffled" else present
    labels = [Labels((Plane("object", ids),), (), frozenset(("object", "part"))) for ids in given]
    flat = maps.astype(np.float32)
    cut = np.quantile(flat.transpose(1, 0, 2, 3).reshape(UNITS, -1), 0.95, axis=1).astype(np.float32)
    return Drawn(Scene(labels, [0] * IMAGES, flat, SIZE, known), cut, PROFILES["standard"])


def null_of(here: Drawn, seed: int) -> LayerNull:
    """Its null."""
    result, layer = here.probed()
    source = shuffles(here.labels().annotated, records(IMAGES), count=SHUFFLES, seed=seed)
    return independence_null(result, layer, here.data(source.source), masks=here.masks())


@dataclass(frozen=True)
class Repeated:
    """p, best_p and z_p (R, U) of repetitions."""

    p: NDArray[np.float64]
    best: NDArray[np.float64]
    z: NDArray[np.float64]


@cache
def repeated(kind: Kind, count: int) -> Repeated:
    """Many sets of one kind."""
    found = [null_of(drawn_set(seed, kind), seed) for seed in range(count)]
    return Repeated(*(np.stack([getattr(each, name) for each in found]) for name in ("p", "best_p", "z_p")))


def uniform(p: NDArray[np.float64]) -> float:
    """KS p-value against the uniform distribution, of p-values spread within their steps of 1 / (1 + B)."""
    spread = np.random.default_rng(0).random(p.shape) / (1 + SHUFFLES)
    return float(stats.kstest((p - spread).ravel(), "uniform").pvalue)


def repetitions(request: pytest.FixtureRequest) -> int:
    """60 in the usual run, 600 in the long one."""
    return 600 if request.config.getoption("--long") else 60


@pytest.mark.parametrize("kind", ["noise", "shuffled"])
@pytest.mark.parametrize("name", ["p", "z"])
def test_p_is_uniform_where_labels_say_nothing(kind: Kind, name: str, request: pytest.FixtureRequest) -> None:
    found = getattr(repeated(kind, repetitions(request)), name)
    # Units of one set share its labels and shuffles; the first of each are independent.
    level = uniform(found[:, 0])
    print(f"{kind}, {name}: KS p {level:.3f}; at or below .05: {(found <= 0.05).mean():.3f} of {found.size} units")
    assert level > 0.01
    assert (found <= 0.05).mean() < 0.075


@pytest.mark.parametrize("kind", ["noise", "shuffled"])
@pytest.mark.parametrize("name", ["p", "best", "z"])
def test_benjamini_and_hochberg_reject_in_at_most_five_percent_of_repetitions(
    kind: Kind, name: str, request: pytest.FixtureRequest
) -> None:  # fmt: skip
    found = getattr(repeated(kind, repetitions(request)), name)
    hits = int((np.stack([q_values(row) for row in found]) <= 0.05).any(axis=1).sum())
    low, high = share_interval(hits, len(found))
    print(f"{kind}, {name}: any rejection at .05 in {hits} of {len(found)} repetitions, 95 % interval {low:.3f} to {high:.3f}")
    assert low <= 0.05


def test_planted_detectors_reach_the_floor_and_are_discoveries() -> None:
    for seed in range(5):
        found = null_of(drawn_set(seed, "planted"), seed)
        assert (found.concept == np.arange(UNITS) % 8 + 1).all() and (found.z_concept == found.concept).all()
        assert (found.p == found.floor).all() and (found.z_p == found.floor).all()
        assert (found.observed > 3 * found.null_95).all() and (q_values(found.best_p) <= 0.05).all()
        assert (found.best_p <= found.floor).all() and (found.z == found.label_z).all()


def test_formulas_of_noise_are_no_discoveries_and_planted_ones_are() -> None:
    kinds: list[Kind] = ["noise", "planted"]
    for kind in kinds:
        p = []
        for seed in range(6):
            here = drawn_set(seed, kind)
            result, layer = here.probed()
            source = shuffles(here.labels().annotated, records(IMAGES), count=39, seed=seed).source
            p.append(formula_null(result, layer, here.data(source), masks=here.masks(), width=5).p)
        found = np.stack(p)
        if kind == "planted":
            assert (found == 1 / 40).all()
        else:
            assert stats.binomtest(int((found <= 0.1).sum()), found.size, 0.1).pvalue > 0.001
