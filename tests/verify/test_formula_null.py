"""Formulas under the null: the same search on the same masks with really permuted labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissect.compose.beam import beam
from dissect.compose.published import published
from dissect.compose.world import World, world
from dissect.errors import CountError, NotSupportedError
from dissect.verify.formula_null import formula_null
from dissect.verify.null import count_p
from tests.verify.scenes import Drawn, drawn, sources


def there(here: Drawn, row: np.ndarray[tuple[int], np.dtype[np.int32]]) -> World:
    """The world of really permuted labels."""
    own = tuple(name for name in here.profile.categories or () if name in here.scene.vocabulary.categories) or None
    return world(here.tally(row)[1], here.scene.vocabulary, min_images=1, categories=own, void=here.profile.void)


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(["standard", "compexp"]))
def test_a_shuffle_searches_what_permuted_labels_would_give(seed: int, name: str) -> None:
    here = drawn(seed, name)
    source = sources(len(here.scene.labels), 3, seed)
    result, layer = here.probed()
    found = formula_null(result, layer, here.data(source), width=4, masks=here.masks())
    for shuffle, row in enumerate(source):
        if name == "standard":
            expected = beam(there(here, row), length=3, width=4).iou
        else:
            expected = published(there(here, row), beam=4, length=3).iou[:, 0]
        got = found.observed if shuffle == 0 else found.null[:, shuffle - 1]
        # Signatures are numbered as the true labels have them, so the beam may meet equal formulas in another order, not other scores.
        assert np.allclose(got, expected, rtol=0, atol=1e-15)
    for unit in range(len(found.p)):
        assert found.p[unit] == count_p(np.concatenate(([found.observed[unit]], found.null[unit])))


def test_fewer_shuffles_may_be_searched_and_the_cost_is_said() -> None:
    here = drawn(5, "standard")
    result, layer = here.probed()
    data = here.data(sources(len(here.scene.labels), 9, 1))
    found = formula_null(result, layer, data, permutations=4, masks=here.masks())
    assert found.null.shape == (len(found.p), 4) and found.floor == 0.2
    assert found.notes[-1].startswith("4 shuffles, each with a whole search")
    every = formula_null(result, layer, data, permutations=400, masks=here.masks())
    assert every.permutations == 9 and np.array_equal(every.null[:, :4], found.null)


def test_dead_units_are_not_tested() -> None:
    here = drawn(5, "standard")
    result, layer = here.probed()
    dead = replace(layer, stats=replace(layer.stats, state=("constant",) * len(layer.stats.state)))
    found = formula_null(result, dead, here.data(sources(len(here.scene.labels), 3, 1)), masks=here.masks())
    assert np.isnan(found.p).all() and np.isnan(found.null).all() and np.isnan(found.best_p).all()


def test_what_cannot_be_tested_is_refused() -> None:
    here = drawn(5, "lite")
    result, layer = here.probed()
    data = here.data(sources(len(here.scene.labels), 2, 1))
    with pytest.raises(NotSupportedError, match="profile standard or compexp"):
        formula_null(result, layer, data, masks=here.masks())
    good = drawn(5, "standard")
    result, layer = good.probed()
    data = good.data(sources(len(good.scene.labels), 2, 1))
    with pytest.raises(CountError, match="other labels"):
        formula_null(result, layer, replace(data, labels=drawn(9, "standard").labels()), masks=good.masks())
    other = good.masks()
    with pytest.raises(CountError, match="do not give the layer's counts"):
        formula_null(result, layer, data, masks=replace(other, last=other.first))
