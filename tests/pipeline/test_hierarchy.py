"""The shipped hierarchy on a table of ImageNet's classes: a dog finds every breed, and only with the hierarchy on."""

from __future__ import annotations

from pathlib import Path

import pytest

from dissect.cli.main import call
from dissect.concepts.hierarchy import shipped_broader
from dissect.pipeline.hierarchy import GROUPS, apply_hierarchy, tied
from dissect.store import ConceptEdge, ConceptEntry, LabelEntry, LayerRecord, LayerResult, Store, UnitFilter, UnitResult
from dissect.store.words import words_of
from tests.store.made_up_runs import save_world, spec

BREEDS = range(151, 269)


def test_a_dog_finds_the_units_labelled_with_breeds(shared: Path, tmp_path: Path) -> None:
    lines = (shared / "data/published_labels/concept_lists/imagenet_labels.txt").read_text(encoding="utf-8").splitlines()
    with Store.open(f"sqlite:///{tmp_path / 'dissect.db'}") as store:
        run = store.begin_run(spec(save_world(store)))
        store.save_concepts("words", [ConceptEntry(line, "class") for line in dict.fromkeys(lines)])
        labels = [LabelEntry(line, score=0.1, concepts=((("class", line), 1),)) for line in lines]
        store.write_layer(run.id, LayerResult(LayerRecord("fc", 1000), [UnitResult(n, labels=(label,)) for n, label in enumerate(labels)]))
        assert apply_hierarchy(store)["words"] > 1_000
        found = {view.index for view in store.search("dog", limit=1000, exemplars=0)}
        assert found >= set(BREEDS) and len(found) < 150
        plain = {view.index for view in store.search("dog", UnitFilter(narrower=False), limit=1000, exemplars=0)}
        assert plain == {n for n, line in enumerate(lines) if {"dog", "dogs"} & set(words_of(line))}
        assert len(plain & set(BREEDS)) < 30
        assert {view.index for view in store.search("bird", limit=1000, exemplars=0)} >= {11, 22, 84, 130}
        facets = store.facets(UnitFilter(q="dog"))
        assert facets.total == len(found) and not facets.capped


@pytest.mark.parametrize(
    ("text", "found"), [("terriers", True), ("Golden Retriever", True), ("terriers and sofas", False), ("sofa", False)]
)
def test_a_description_that_is_a_name_is_found_by_what_it_is_under(tmp_path: Path, text: str, found: bool) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'dissect.db'}") as store:
        run = store.begin_run(spec(save_world(store)))
        label = LabelEntry(text, "description", "clip-dissect", score=0.3, score_kind="similarity")
        store.write_layer(run.id, LayerResult(LayerRecord("conv1", 1), [UnitResult(0, labels=(label,))]))
        assert [view.why for view in store.search("dog")] == ([f"narrower: {text}, under dog"] if found else [])
        assert store.search("dog", UnitFilter(narrower=False)) == []


def test_a_published_table_of_words_gives_its_dogs(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = shared / "data/published_labels/CLIP_Dissect_results/resnet50_imagenet_broden.csv"
    database = f"sqlite:///{tmp_path / 'dissect.db'}"
    assert call(["--db", database, "import", "clip-dissect", str(table), "--model", "resnet50"]) in (0, 3)
    with Store.open(database) as store:
        views = store.units(limit=10_000, exemplars=0)
        breeds = {view.unit_id for view in views if view.label and view.label.text.rstrip("s") in ("terrier", "poodle", "beagle", "hound")}
        found = {view.unit_id for view in store.search("dog", limit=10_000, exemplars=0)}
        plain = {view.unit_id for view in store.search("dog", UnitFilter(narrower=False), limit=10_000, exemplars=0)}
        assert breeds and breeds <= found and not breeds & plain


def test_a_name_of_several_categories_is_narrower_in_each() -> None:
    keys = [("object", "leg"), ("part", "leg"), ("object", "table")]
    grouping, edges = tied(keys, [("leg", "limb"), ("limb", "body part"), ("table", "furniture")])
    assert [entry.name for entry in grouping] == ["limb", "body part", "furniture"]
    assert {entry.category for entry in grouping} == {GROUPS}
    assert ConceptEdge(("part", "leg"), (GROUPS, "limb")) in edges and ConceptEdge(("object", "leg"), (GROUPS, "limb")) in edges
    assert len(edges) == 4
    assert shipped_broader([]) == ()
