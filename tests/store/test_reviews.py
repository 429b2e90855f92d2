"""Reviews of labels: added and never changed, the newest counts, and they stay with the text that was reviewed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dissect.errors import NotFoundError, UsageError
from dissect.store import LayerResult, Store, UnitFilter
from dissect.store.reviews import REVIEWED
from tests.store.made_up_runs import concept_label, save_run, small_layer, unit


def found(store: Store, state: str, **filters: object) -> list[int]:
    """Indices of units whose label has this review."""
    return [view.index for view in store.units(UnitFilter(reviewed=state, **filters), order="index")]  # type: ignore[arg-type]


def relabelled(text: str) -> LayerResult:
    """The small layer with another label of unit 0."""
    layer = small_layer()
    return replace(layer, units=(unit(0, concept_label(text, "object", 0.2)), *layer.units[1:]))


def test_a_review_stands_beside_its_label_with_who_and_when(store: Store) -> None:
    run = save_run(store)
    made = store.reviews().add(run.id, "conv1", 0, "relabel", "ann@local", relabel="  parked \n cars ", comment=" rear windows ")
    assert (made.method, made.text, made.verdict, made.relabel, made.comment) == (
        "netdissect",
        "car",
        "relabel",
        "parked cars",
        "rear windows",
    )
    assert (made.reviewer, made.stale) == ("ann@local", False)
    assert store.unit("tiny", "conv1", 0).reviews == (made,)
    assert store.unit("tiny", "conv1", 1).reviews == ()


def test_history_is_kept_and_the_newest_of_each_method_counts(store: Store) -> None:
    run, book = save_run(store), store.reviews()
    book.add(run.id, "features.0", 0, "accept", "ann")
    book.add(run.id, "conv1", 0, "reject", "bob", method="milan")
    book.add(run.id, "conv1", 0, "reject", "bob", comment="no car")
    history = book.history(run.id, "conv1", 0)
    assert [(item.method, item.verdict, item.reviewer) for item in history] == [
        ("netdissect", "reject", "bob"), ("milan", "reject", "bob"), ("netdissect", "accept", "ann"),
    ]  # fmt: skip
    assert {item.method: item.verdict for item in store.unit("tiny", "conv1", 0).reviews} == {"netdissect": "reject", "milan": "reject"}


def test_units_are_filtered_by_the_review_that_counts(store: Store) -> None:
    run, book = save_run(store), store.reviews()
    book.add(run.id, "conv1", 0, "accept", "ann")
    book.add(run.id, "conv1", 1, "accept", "ann")
    book.add(run.id, "conv1", 1, "reject", "ann")
    book.add(run.id, "conv1", 2, "relabel", "ann", relabel="rug")
    assert [found(store, state) for state in REVIEWED] == [[0], [1], [2], [], [0, 3, 4]]
    assert found(store, "unreviewed", method="netdissect") == [3, 4]
    assert found(store, "accepted", method="compositional") == []
    with pytest.raises(UsageError, match=r"accepted, rejected, relabelled, stale, unreviewed"):
        found(store, "good")


def test_a_review_outlives_the_row_of_its_label_and_is_stale_once_the_text_changes(store: Store) -> None:
    run, book = save_run(store), store.reviews()
    book.add(run.id, "conv1", 0, "accept", "ann")
    store.write_layer(run.id, small_layer())
    assert found(store, "accepted") == [0]
    store.write_layer(run.id, relabelled("dog"))
    assert (found(store, "accepted"), found(store, "stale")) == ([], [0])
    assert [item.stale for item in store.unit("tiny", "conv1", 0).reviews] == [True]
    store.write_layer(run.id, small_layer())
    assert (found(store, "accepted"), found(store, "stale")) == ([0], [])


def test_reviews_of_one_run_say_nothing_of_another_and_go_with_it(store: Store) -> None:
    one, two = save_run(store, "1" * 64), save_run(store, "2" * 64)
    store.reviews().add(one.id, "conv1", 0, "accept", "ann")
    assert [view.run_id for view in store.units(UnitFilter(reviewed="accepted"))] == [one.id]
    assert store.unit("tiny", "conv1", 0, run=two.id).reviews == ()
    store.delete_run(one.id)
    assert store.counts()["review"] == 0


def test_what_is_no_review_is_refused_and_nothing_is_written(store: Store) -> None:
    run, book = save_run(store), store.reviews()
    for verdict, given, message in (
        ("maybe", {}, "no verdict"), ("relabel", {}, "needs the better label"), ("relabel", {"relabel": " "}, "needs"),
        ("accept", {"relabel": "x"}, "does not go with accept"), ("accept", {"comment": "x" * 501}, "at most 500"),
        ("accept", {"seen": "dog"}, "is 'car' now, not 'dog'"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=message):
            book.add(run.id, "conv1", 0, verdict, "ann", **given)
    for layer, index, method in (("conv2", 0, None), ("conv1", 6, None), ("conv1", 5, None), ("conv1", 0, "invert")):
        with pytest.raises(NotFoundError):
            book.add(run.id, layer, index, "accept", "ann", method=method)
    with pytest.raises(NotFoundError):
        book.history(99, "conv1", 0)
    assert store.counts()["review"] == 0


def test_hostile_words_come_back_as_they_are(store: Store) -> None:
    run = save_run(store)
    text = "<script>alert(1)</script> '; DROP TABLE review; --"
    assert store.reviews().add(run.id, "conv1", 0, "relabel", "ann", relabel=text, comment=text).relabel == text
    assert store.reviews().add(run.id, "conv1", 0, "accept", "ann", comment="a\0b").comment == "a\ufffdb"
