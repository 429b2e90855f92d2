"""Lists of units: filters, orders and pages, the same on both databases; search against a second implementation in plain Python."""

from __future__ import annotations

import contextlib
import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dissect.errors import UsageError
from dissect.store import ConceptScore, LabelEntry, LayerRecord, LayerResult, Store, UnitFilter, UnitView
from dissect.store.words import forms
from tests.store.conftest import new_database
from tests.store.made_up_runs import concept_label, save_run, save_world, small_layer, spec, unit

HOSTILE = (
    "100% wool", "under_score", "it's", 'say "cheese"', "back\\slash", "semi; DROP TABLE label;--", "Straße", "STRASSE", "ÉCLAIR", "éclair",
    "ﬁre", "İstanbul", "日本 語", "car", "cars", "carpet", "red car", "nul\0byte", "half\ud800pair", "", "%", "_", "buses", "bus",
    "berries", "berry", "glass", "\u202eright to left", "<script>alert(1)</script>",
)  # fmt: skip


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of either kind with one saved run, to be read only."""
    with contextlib.ExitStack() as held:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('saved') / 'dissect.db'}"
        else:
            url = held.enter_context(new_database(request.getfixturevalue("postgres_server")))
        store = held.enter_context(Store.open(url))
        save_run(store)
        yield store


def indices(views: list[UnitView]) -> list[int]:
    """Unit indices of a list."""
    return [view.index for view in views]


def test_each_filter_keeps_what_it_says(saved: Store) -> None:
    run = saved.run("latest")
    for filters, expected in (
        (UnitFilter(), {0, 1, 2, 3, 4, 5}),
        (UnitFilter(run=run.id, model="tiny", dataset="streets", layer="features.0"), {0, 1, 2, 3, 4, 5}),
        (UnitFilter(model="other"), set()),
        (UnitFilter(dataset="other"), set()),
        (UnitFilter(layer="conv"), set()),
        (UnitFilter(category="object"), {0, 1}),
        (UnitFilter(concept="car"), {0}),
        (UnitFilter(concept="dog", kind="formula"), {0}),
        (UnitFilter(method="milan"), {0}),
        (UnitFilter(kind="description"), {0}),
        (UnitFilter(min_iou=0.10), {0, 1, 2, 3}),
        (UnitFilter(min_iou=0.5), set()),
        (UnitFilter(max_q=0.01), {0}),
        (UnitFilter(max_q=0.001), set()),
        (UnitFilter(detectors=True), {0, 1, 2, 3}),
        (UnitFilter(state="dead"), {5}),
        (UnitFilter(category="object", min_iou=0.2), {0}),
    ):
        assert set(indices(saved.units(filters))) == expected, filters


def test_the_label_shown_is_the_one_that_passed(saved: Store) -> None:
    (view,) = saved.units(UnitFilter(method="milan"))
    assert view.label is not None and view.label.text == "rear windows of parked cars"
    assert len(view.labels) == 3


def test_orders_are_total_and_the_same_everywhere(saved: Store) -> None:
    assert indices(saved.units(order="score")) == [0, 1, 2, 3, 4, 5]
    assert indices(saved.units(order="index")) == [0, 1, 2, 3, 4, 5]
    assert indices(saved.units(order="concept")) == [0, 2, 4, 3, 1, 5]
    assert indices(saved.units(order="category")) == [4, 2, 0, 1, 3, 5]


def test_pages_put_together_are_the_whole_list(store: Store) -> None:
    run = save_run(store)
    store.write_layer(run.id, small_layer("conv2", 1, ()))
    for order, size in itertools.product(("score", "index", "concept", "category"), (1, 2, 5)):
        whole = [view.unit_id for view in store.units(order=order)]
        assert len(whole) == 12
        paged: list[int] = []
        after = None
        while page := store.units(order=order, limit=size, after=after):
            paged += [view.unit_id for view in page]
            after = page[-1].cursor
        assert paged == whole, (order, size)


def test_a_cursor_of_another_order_is_refused(saved: Store) -> None:
    cursor = saved.units(order="index", limit=1)[0].cursor
    with pytest.raises(UsageError, match=r"cursor"):
        saved.units(order="score", after=cursor)


def test_exemplars_come_as_many_as_asked(saved: Store) -> None:
    assert [len(view.exemplars) for view in saved.units(exemplars=2)] == [2, 2, 2, 2, 2, 0]
    assert [len(view.exemplars) for view in saved.units(exemplars=0)] == [0] * 6


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("car", [0]), ("CARS", [0]), ("parked windows", [0]), ("parked wheel", []), ("carp*", [2]), ("car*", [0, 2]), ("dog", [0, 1]),
        ("wheel", [3]), ("striped wheel", [3]), ("automobile", [0]), ("motor car", [0]), ("red", [4]), ("carpet", [2]),
        ("windows dog", []), ("", [0, 1, 2, 3, 4, 5]), ("  ", [0, 1, 2, 3, 4, 5]), ("%", []), ("_", []), ("'", []), ("*", []),
    ],
)  # fmt: skip
def test_search_finds_words_synonyms_and_kinds(saved: Store, text: str, found: list[int]) -> None:
    assert sorted(indices(saved.search(text))) == sorted(found)


def test_search_says_why(saved: Store) -> None:
    why = {view.index: view.why for view in saved.search("dog")}
    assert why == {0: "label", 1: "narrower: terrier, under dog"}
    assert [view.why for view in saved.search("automobile")] == ["synonym: automobile is a name of car"]


def test_labels_with_the_word_itself_stand_before_synonyms_and_narrower_concepts(store: Store) -> None:
    run = store.begin_run(spec(save_world(store)))
    labels = (concept_label("terrier", "object", 0.4), concept_label("dog", "object", 0.1), concept_label("dog", "object", 0.2))
    more = (concept_label("car", "object", 0.3), concept_label("automobile", "object", 0.01, concepts=()))
    units = tuple(unit(index, label, exemplars=0) for index, label in enumerate((*labels, *more)))
    store.write_layer(run.id, LayerResult(LayerRecord("conv1", len(units)), units))
    assert indices(store.search("dog")) == [2, 1, 0]
    assert indices(store.search("automobile")) == [4, 3]
    first = store.search("dog", limit=1)
    assert indices(first) + indices(store.search("dog", after=first[0].cursor)) == [2, 1, 0]


def test_of_runs_on_one_layer_and_data_set_the_newest_finished_one_is_meant(store: Store) -> None:
    old, other = save_run(store, "1" * 64), save_run(store, "2" * 64, quantile=0.01)
    elsewhere = store.begin_run(spec(save_world(store, data="rooms"), "3" * 64))
    store.write_layer(elsewhere.id, small_layer())
    store.finish_run(elsewhere.id)
    deeper = store.begin_run(spec(save_world(store), "4" * 64))
    store.write_layer(deeper.id, small_layer("conv2", 1, ()))
    store.finish_run(deeper.id)
    begun = store.begin_run(spec(save_world(store), "5" * 64))
    store.write_layer(begun.id, small_layer())
    newest = UnitFilter(newest=True)
    assert {(view.run_id, view.quantile) for view in store.search("car", newest)} == {
        (other.id, 0.01), (elsewhere.id, 0.005), (deeper.id, 0.005),
    }  # fmt: skip
    assert {view.run_id for view in store.search("car")} == {old.id, other.id, elsewhere.id, deeper.id, begun.id}
    assert {view.run_id for view in store.units(UnitFilter(newest=True, run=old.id))} == {old.id}


def test_the_number_of_images_with_a_concept_is_kept(store: Store) -> None:
    run = store.begin_run(spec(save_world(store)))
    label = concept_label("car", "object", 0.25, details={"images": 3})
    first = replace(unit(0, label), concepts=(ConceptScore(("object", "car"), 1, 0.2, images=3), ConceptScore(("object", "dog"), 2, 0.1)))
    store.write_layer(run.id, LayerResult(LayerRecord("conv1", 1), (first,)))
    view = store.unit("tiny", "conv1", 0)
    assert view.label is not None and view.label.images == 3
    assert [concept.images for concept in view.concepts] == [3, None]


def test_search_keeps_to_the_filters(saved: Store) -> None:
    assert indices(saved.search("dog", UnitFilter(method="netdissect"))) == [1]
    assert indices(saved.search("dog", UnitFilter(min_iou=0.2))) == [0]
    assert indices(saved.search("car", UnitFilter(category="part"))) == []
    assert indices(saved.search("car", limit=0)) == []


def test_a_concept_that_a_formula_excludes_is_not_what_it_is_about(saved: Store) -> None:
    assert indices(saved.search("rug")) == [2]


def test_runners_up_are_shown_and_not_found(store: Store) -> None:
    run = store.begin_run(spec(save_world(store)))
    labels = (concept_label("car", "object", 0.25), concept_label("dog", "object", 0.2, rank=2))
    store.write_layer(run.id, LayerResult(LayerRecord("conv1", 1), (unit(0, *labels),)))
    assert indices(store.search("dog")) == indices(store.units(UnitFilter(concept="dog"))) == []
    (view,) = store.search("car")
    assert [label.text for label in view.labels] == ["car", "dog"]


def test_concepts_tied_in_a_ring_end_the_search(store: Store) -> None:
    from dissect.store import ConceptEdge

    save_run(store)
    ring = [ConceptEdge(("object", "dog"), ("object", "terrier")), ConceptEdge(("object", "car"), ("object", "dog"), "same")]
    store.save_concepts("words", (), ring)
    assert sorted(indices(store.search("terrier"))) == [0, 1]


def hostile_store(url: str) -> Store:
    """A store with one unit for each hostile text."""
    store = Store.open(url)
    run = store.begin_run(spec(save_world(store)))
    units = [unit(index, LabelEntry(text, "description", "milan", score=0.5), exemplars=0) for index, text in enumerate(HOSTILE)]
    store.write_layer(run.id, LayerResult(LayerRecord("conv1", len(units)), units))
    return store


@pytest.fixture(scope="module")
def embedded() -> Iterator[Store]:
    with hostile_store("sqlite://") as store:
        yield store


def expected(text: str) -> set[int] | None:
    """Search again, from its description: which of the hostile labels hold every word. None where all do."""
    text = text.replace(" OR 1=1 --", " 1")
    words = tokens(text, r"[^\W_]+\*?")
    if not text.strip():
        return None
    return {index for index, label in enumerate(HOSTILE) if words and all(holds(tokens(label, r"[^\W_]+"), word) for word in words)}


def tokens(text: str, pattern: str) -> list[str]:
    clean = "".join("\ufffd" if char == "\0" or 0xD800 <= ord(char) < 0xE000 else char for char in text)
    return re.findall(pattern, unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", clean).casefold()))


def holds(label: list[str], word: str) -> bool:
    if word.endswith("*"):
        return any(one.startswith(word[:-1]) for one in label)
    return bool(set(label) & set(forms(word)))


TEXTS = st.one_of(
    st.sampled_from(HOSTILE), st.text(max_size=12), st.lists(st.sampled_from(HOSTILE), max_size=3).map(" ".join),
    st.sampled_from(HOSTILE).map(lambda text: text[: max(1, len(text) // 2)] + "*"),
)  # fmt: skip


@given(TEXTS)
@example("%")
@example("' OR 1=1 --")
@example("strasse")
def test_search_finds_exactly_the_labels_that_hold_every_word(embedded: Store, text: str) -> None:
    found = set(indices(embedded.search(text, UnitFilter(narrower=False), limit=100, exemplars=0)))
    wanted = expected(text)
    assert found == (set(range(len(HOSTILE))) if wanted is None else wanted)


@pytest.mark.postgres
def test_both_databases_give_the_same_answers_to_hostile_questions(embedded: Store, postgres_url: str) -> None:
    questions = [*HOSTILE, *(f"{text[:2]}*" for text in HOSTILE), "' OR 1=1 --", "\\", "$1", ":name", "%s", "{}", "a" * 999]
    with hostile_store(postgres_url) as team:
        for text in questions:
            for order in ("score", "concept"):
                answers = [indices(store.units(UnitFilter(q=text), order=order, limit=100, exemplars=0)) for store in (embedded, team)]
                assert answers[0] == answers[1], text
        for filters in (UnitFilter(model=text, layer=text, category=text, concept=text, method=text, state=text) for text in HOSTILE):
            assert team.units(filters) == embedded.units(filters) == []
        assert [view.label and view.label.text for view in team.units(order="index", limit=100)] == [
            view.label and view.label.text for view in embedded.units(order="index", limit=100)
        ]


@given(st.from_regex(r"[a-z]{3,10}", fullmatch=True))
def test_singular_finds_plural_and_plural_singular(word: str) -> None:
    assert word + "s" in forms(word)
    if not word.endswith("s"):
        assert word in forms(word + "s")
    assert forms(word)[0] == word and len(set(forms(word))) == len(forms(word))
