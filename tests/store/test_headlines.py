"""One label a unit, names of concepts and single concepts: the narrow reading says what the whole one says, on both databases."""

from __future__ import annotations

import pytest

from dissect.store import LabelView, Store, UnitFilter, UnitView
from tests.store.made_up_runs import save_run, save_world, spec


def of(view: UnitView, method: str | None) -> LabelView | None:
    """The label that counts, from everything that is known of the unit."""
    if method is None:
        return view.label
    return next((label for label in view.labels if label.method == method and label.rank == 1), None)


@pytest.mark.parametrize("method", [None, "netdissect", "compositional", "milan", "nobody's"])
def test_a_headline_is_the_label_of_the_unit_s_own_page(store: Store, method: str | None) -> None:
    run = save_run(store)
    again = store.begin_run(spec(save_world(store), "b" * 64))
    views = store.units(UnitFilter(run=run.id, layer="conv1"), order="index", exemplars=0)
    found = store.headlines(run.id, "features.0", method)
    assert [each.index for each in found] == [view.index for view in views] and len(found) == 6
    for each, view in zip(found, views, strict=True):
        label = of(view, method)
        assert each.state == view.stats.state
        assert each.text == (None if label is None else label.text)
        if label is not None:
            assert (each.category, each.score, each.detector, each.q) == (label.category, label.score, label.detector, label.q)
    assert any(each.text for each in found) == (method != "nobody's")
    assert store.headlines(again.id, "conv1", method) == []
    assert store.label_methods(run.id, "conv1") == sorted({label.method for view in views for label in view.labels})


def test_single_concepts_are_those_of_the_whole_list(store: Store) -> None:
    save_run(store)
    every = store.concepts()
    assert any(each.broader or each.narrower for each in every) and any(each.units for each in every)
    for one in every:
        assert store.concepts(names=[one.name], category=one.category, vocabulary=one.vocabulary) == [one]
    assert store.concepts(names=[each.name for each in every]) == every and store.concepts(names=[]) == []
    assert store.concept_names() == sorted({each.name for each in every})
    assert store.concept_names(category="object") == sorted({each.name for each in every if each.category == "object"})
    assert store.concept_names(carried=True) == sorted({each.name for each in every if each.units})
