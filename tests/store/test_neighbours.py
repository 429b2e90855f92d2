"""Neighbours of a unit: the cosine between profiles, against plain Python, over vocabularies and on both databases."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from dissect.store import (
    CheckpointRecord,
    ConceptEntry,
    ConceptScore,
    DatasetRecord,
    LabelEntry,
    LayerRecord,
    LayerResult,
    ModelRecord,
    RunSpec,
    Store,
    UnitResult,
)
from dissect.store.neighbours import cosine

NAMES = ("car", "Traffic_Light", "dog", "wheel", "sky", "road")
Profiles = dict[tuple[str, str, int], dict[str, float]]


def fill(store: Store, seed: int = 1) -> Profiles:
    """Two networks over two vocabularies that write the same names differently; what each unit's profile is."""
    dice, found = random.Random(seed), {}
    for model, change in (("one", str.lower), ("two", str.upper)):
        names = [change(name).replace("_", " ") if model == "two" else name for name in NAMES]
        store.save_concepts(model, [ConceptEntry(name, "object") for name in names])
        data = store.save_dataset(DatasetRecord(model, f"hash of {model}", model))
        checkpoint = store.save_checkpoint(store.save_model(ModelRecord(model)), CheckpointRecord(model))
        run = store.begin_run(RunSpec(model.ljust(64, "0"), checkpoint, data))
        for position, layer in enumerate(("a", "b")):
            units = []
            for index in range(12):
                picked = dice.sample(range(len(names)), 3)
                scores = [dice.choice((0.05, 0.1, 0.3, -0.2)) for _ in picked]
                concepts = tuple(ConceptScore(("object", names[place]), rank, scores[rank - 1]) for rank, place in enumerate(picked, 1))
                label = LabelEntry(names[picked[0]], score=scores[0], concepts=((("object", names[picked[0]]), 1),))
                units.append(UnitResult(index, labels=(label,), concepts=concepts))
                found[model, layer, index] = {NAMES[place]: score for place, score in zip(picked, scores, strict=True) if score > 0}
            store.write_layer(run.id, LayerResult(LayerRecord(layer, 12, position), units))
        store.finish_run(run.id)
    return found


def plain(one: dict[str, float], other: dict[str, float]) -> float:
    sizes = [math.sqrt(sum(value**2 for value in profile.values())) for profile in (one, other)]
    return sum(one[name] * other.get(name, 0.0) for name in one) / (sizes[0] * sizes[1]) if all(sizes) else 0.0


def test_neighbours_are_those_with_the_nearest_profiles(store: Store) -> None:
    profiles = fill(store)
    for me in (("one", "a", 0), ("one", "b", 5), ("two", "a", 3)):
        view = store.unit(*me)
        similarities = {key: plain(profiles[me], other) for key, other in profiles.items() if key[:2] != me[:2]}
        expected = sorted((round(value, 9) for value in similarities.values() if value > 0), reverse=True)[:10]
        found = store.neighbours(view)
        assert [round(near.similarity, 9) for near in found] == expected
        for near in found:
            assert near.similarity == pytest.approx(similarities[near.model, near.layer, near.index])
            assert near.label is not None and set(near.shared) <= {"car", "traffic light", "dog", "wheel", "sky", "road"}


def test_units_beside_it_count_only_when_they_are_asked_for(store: Store) -> None:
    fill(store)
    view = store.unit("one", "a", 0)
    assert {(near.model, near.layer) for near in store.neighbours(view, limit=100)} == {("one", "b"), ("two", "a"), ("two", "b")}
    everywhere = store.neighbours(view, limit=100, elsewhere=False)
    assert ("one", "a") in {(near.model, near.layer) for near in everywhere}
    assert ("one", "a", 0) not in {(near.model, near.layer, near.index) for near in everywhere}


def test_a_unit_without_concepts_has_no_neighbours(store: Store) -> None:
    fill(store)
    run = store.run("latest")
    store.write_layer(run.id, LayerResult(LayerRecord("c", 1, 2), (UnitResult(0),)))
    assert store.neighbours(store.unit("two", "c", 0)) == []
    assert store.neighbours(replace(store.unit("one", "a", 0)), limit=0) == []


def test_the_cosine_is_that_of_the_formula() -> None:
    assert cosine({}, {"a": 1.0}) == 0.0
    assert cosine({"a": 2.0}, {"a": 0.5}) == 1.0
    assert cosine({"a": 1.0, "b": 1.0}, {"a": 1.0}) == pytest.approx(math.sqrt(0.5))
