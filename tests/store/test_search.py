"""Search on both databases against a second implementation in plain Python: the same units, in the same order, page by page."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissect.errors import DissectError, UsageError
from dissect.store import ConceptEdge, ConceptEntry, LabelEntry, LayerRecord, LayerResult, Store, UnitFilter, UnitView, passing
from dissect.store.listing import affirmed
from dissect.store.question import MOST_DEEP, question
from dissect.store.words import coded, forms
from tests.store import searched_worlds as worlds
from tests.store.conftest import new_database
from tests.store.made_up_runs import concept_label, save_run, save_world, spec, unit


@pytest.fixture(scope="module")
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Store], list[worlds.Shown]]]:
    """The same world in SQLite and, where a server answers, in PostgreSQL."""
    with contextlib.ExitStack() as held:
        urls = [f"sqlite:///{tmp_path_factory.mktemp('both') / 'dissect.db'}"]
        with contextlib.suppress(pytest.skip.Exception):
            urls.append(held.enter_context(new_database(request.getfixturevalue("postgres_server"))))
        stores = [held.enter_context(Store.open(url)) for url in urls]
        filled = [worlds.fill(store) for store in stores]
        assert all(one == filled[0] for one in filled)
        yield stores, filled[0]


Asked = tuple[str, worlds.Asked]


def word(text: str) -> Asked:
    wanted = set(forms(text))
    return text, lambda label, tier, _: any(wanted & set(source) for source in worlds.sources(label, tier))


def beginning(text: str) -> Asked:
    return f"{text}*", lambda label, tier, _: any(one.startswith(text) for source in worlds.sources(label, tier) for one in source)


def phrase(words: tuple[str, ...]) -> Asked:
    def asked(label: LabelEntry, tier: int, _: int) -> bool:
        spans = [source[at : at + len(words)] for source in worlds.sources(label, tier) for at in range(len(source))]
        return list(words) in spans

    return f'"{" ".join(words)}"', asked


def negated(part: Asked, sign: str) -> Asked:
    return f"{sign}({part[0]})", lambda label, _, deepest: not part[1](label, deepest, deepest)


def every(parts: list[Asked]) -> Asked:
    return f"({' '.join(text for text, _ in parts)})", lambda *where: all(asked(*where) for _, asked in parts)


def some(parts: list[Asked]) -> Asked:
    return f"({' OR '.join(text for text, _ in parts)})", lambda *where: any(asked(*where) for _, asked in parts)


LEAVES = st.one_of(
    st.sampled_from(worlds.WORDS).map(word),
    st.sampled_from(worlds.WORDS).map(lambda text: beginning(text[:3])),
    st.lists(st.sampled_from(worlds.WORDS), min_size=2, max_size=2).map(lambda words: phrase(tuple(words))),
    st.sampled_from([("hound", "dog"), ("motor", "vehicle"), ("red", "cars"), ("car", "terrier"), ("wheels", "of")]).map(phrase),
)
QUESTIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["-", "NOT "])).map(lambda pair: negated(*pair)),
        st.lists(inner, min_size=2, max_size=3).map(every),
        st.lists(inner, min_size=2, max_size=3).map(some),
    ),
    max_leaves=4,
)
FILTERS = st.builds(
    UnitFilter,
    run=st.sampled_from([None, None, None, 1, 3]), model=st.sampled_from([None, None, "tiny", "other"]),
    layer=st.sampled_from([None, None, "conv2"]), category=st.sampled_from([None, None, None, "object", "part"]),
    method=st.sampled_from([None, None, None, "netdissect", "compositional", "milan"]), kind=st.sampled_from([None, None, None, "formula"]),
    state=st.sampled_from([None, None, "ok", "dead"]), min_iou=st.sampled_from([None, None, 0.05]),
    min_score=st.sampled_from([None, None, 0.1]), max_score=st.sampled_from([None, None, 0.2]), max_q=st.sampled_from([None, None, 0.05]),
    detectors=st.sampled_from([False, False, True]), survives=st.sampled_from([False, False, False, True]),
    newest=st.booleans(), narrower=st.booleans(), uses=st.sampled_from([(), (), (), ("car",), ("-wheel",)]),
)  # fmt: skip


def listed(views: list[UnitView]) -> list[tuple[int, str, int, str]]:
    return [(view.run_id, view.layer, view.index, view.label.text if view.label else "") for view in views]


@given(QUESTIONS, FILTERS, st.sampled_from([0, 5, 2_000]))
def test_both_databases_and_plain_python_agree(
    both: tuple[list[Store], list[worlds.Shown]], asked: Asked, filters: UnitFilter, few: int
) -> None:
    """few: matches with which PostgreSQL begins; with more it walks the list."""
    stores, world = both
    expected = worlds.answer(world, asked[1], filters)
    with patch.multiple(passing, FEW=few, FEW_SORTED=few):
        for store in stores:
            assert listed(store.search(asked[0], filters, limit=1000, exemplars=0)) == expected, (asked[0], store.url)


@given(QUESTIONS, st.sampled_from(["score", "index", "concept", "category"]), st.integers(1, 7), st.integers(0, 100))
@settings(max_examples=40)
def test_pages_lead_forward_and_back_over_the_same_list(
    both: tuple[list[Store], list[worlds.Shown]], asked: Asked, order: str, size: int, start: int
) -> None:
    answers = []
    for store in both[0]:
        filters = UnitFilter(q=asked[0])
        whole = store.units(filters, order=order, limit=1000, exemplars=0)
        answers.append(listed(whole))
        if not whole:
            continue
        place = start % len(whole)
        behind = store.units(filters, order=order, limit=size, after=whole[place].cursor, exemplars=0)
        ahead = store.units(filters, order=order, limit=size, before=whole[place].cursor, exemplars=0)
        assert listed(behind) == listed(whole[place + 1 : place + 1 + size])
        assert listed(ahead) == listed(whole[max(place - size, 0) : place])
        assert [view.cursor for view in ahead] == [view.cursor for view in whole[max(place - size, 0) : place]]
    assert all(one == answers[0] for one in answers)


def test_lists_without_words_lead_back_too(both: tuple[list[Store], list[worlds.Shown]]) -> None:
    for store in both[0]:
        for order in ("score", "index", "concept", "category"):
            whole = store.units(order=order, limit=1000, exemplars=0)
            assert len(whole) == 3 * 2 * 24
            page = store.units(order=order, limit=10, before=whole[60].cursor, exemplars=0)
            assert listed(page) == listed(whole[50:60])


def test_after_and_before_exclude_each_other(both: tuple[list[Store], list[worlds.Shown]]) -> None:
    store = both[0][0]
    cursor = store.units(limit=1)[0].cursor
    with pytest.raises(UsageError, match=r"not both"):
        store.units(after=cursor, before=cursor)


@given(QUESTIONS, FILTERS)
@settings(max_examples=60)
def test_facets_count_the_units_that_each_value_would_leave(
    both: tuple[list[Store], list[worlds.Shown]], asked: Asked, filters: UnitFilter
) -> None:
    filters = replace(filters, q=asked[0])
    answers = [store.facets(filters) for store in both[0]]
    assert all(one == answers[0] for one in answers)
    store, found = both[0][0], answers[0]
    assert not found.capped and found.total == len(store.units(filters, limit=1000, exemplars=0))
    for name, values in (("model", found.models), ("method", found.methods), ("category", found.categories)):
        if getattr(filters, name) is None:
            for value in values:
                further = replace(filters, **{name: value.name})  # type: ignore[arg-type]
                left = store.units(further, limit=1000, exemplars=0)
                assert value.units == len(left), (asked[0], name, value)
    assert sorted(found.models, key=lambda value: (-value.units, value.name)) == list(found.models)


def test_facets_over_many_labels_say_that_they_are_capped(both: tuple[list[Store], list[worlds.Shown]]) -> None:
    for store in both[0]:
        found = store.facets(UnitFilter(), most=20)
        assert found.capped and 0 < found.total <= 20
        whole = store.facets(UnitFilter())
        assert not whole.capped and whole.total == 3 * 2 * 24
        assert {(value.name, value.units) for value in whole.models} == {("tiny", 96), ("other", 48)}
        assert {value.name for value in whole.layers} == {"conv1", "conv2"}


HOSTILE = [
    *("\"", "'", "`", "\\", "%", "_", "*", "(", ")", "-", "--", "/*", ";", ":", "^", "{", "}", "[", "]", "|", "&", "!", "<->", "@@", "\0"),
    *("$$", "u", "s", "acar", "NEAR(a b)", "doc:car", "{a b}: c", "rowid", "'u'", '"u"', "u*", "car NOT", "NOT", "OR", "AND OR NOT"),
    *("((((((", "))))", '"unclosed', '"""', "a\"b\"c", "-\"a b\"", "-(", "- -", "-*", "*-", "x'y", "1e999", "NULL", "true", "::tsquery"),
    *(":*", "'a':*", "a:A", "' OR 1=1 --", "'; DROP TABLE label;--", "\" OR \"\"=\"", "%27", "\ud800", "\u202e", "﷽", "🚗", "ﬀ", "İ"),
    *("ß", "e\u0301", "\u200b", "日本語", "a" * 999, "(" * 15 + "a", "é" * 500, "q" * 300, "\U0010ffff", "\t\n\r", "..", "a\0b"),
    *("../../etc/passwd", "{{7*7}}", "<script>", "${x}"),
]  # fmt: skip
STRANGE = [*HOSTILE, *(f"{text} {more}" for text, more in zip(HOSTILE[: 200 - len(HOSTILE)], HOSTILE[7:] + HOSTILE, strict=False))]
STRANGE += [f"{text}*" for text in HOSTILE[: 200 - len(STRANGE)]]


def test_two_hundred_hostile_strings_find_nothing_outside_the_filter(both: tuple[list[Store], list[worlds.Shown]]) -> None:
    """trust.md S3: no error but a UsageError or a NotFoundError, no row that the filter keeps out, the same on both databases."""
    stores, world = both
    assert len(STRANGE) == 200
    texts = {shown.label.text for shown in world if shown.label.method == "milan"} | {""}
    for text in STRANGE:
        answers = [_answers(store, text[:1000]) for store in stores]
        assert all(one == answers[0] for one in answers), repr(text)
        found = answers[0][0]
        assert not isinstance(found, list) or {row[3] for row in found} <= texts, repr(text)
        assert all(one in ([], "UsageError", "NotFoundError") for one in answers[0][1:]), repr(text)


def _answers(store: Store, text: str) -> list[object]:
    """What each parameter says to a text: the question behind a filter, then each filter, then the cursors and the order."""
    asked: list[dict[str, object]] = [{"filters": UnitFilter(q=text, method="milan")}]
    names = ("model", "dataset", "layer", "category", "method", "kind", "state", "concept")
    asked += [{"filters": UnitFilter(**{name: f"{text}\x01"})} for name in names]  # type: ignore[arg-type]
    asked += [{"filters": UnitFilter(run=f"{text}\x01")}, {"filters": UnitFilter(uses=(f"{text} nowhere",))}]
    asked += [{"after": text or "x"}, {"before": text or "x"}, {"order": text}]
    return [_answer(store, one) for one in asked]


def _answer(store: Store, asked: dict[str, object]) -> object:
    try:
        return listed(store.units(limit=100, exemplars=0, **asked))  # type: ignore[arg-type]
    except DissectError as error:
        return type(error).__name__


def test_questions_without_end_are_refused() -> None:
    for text in ("x" * 1001, " ".join(f"w{number}" for number in range(21))):
        with pytest.raises(UsageError, match=r"too long"):
            question(text)
    with pytest.raises(UsageError, match=r"inside each other"):
        question("-(" * (MOST_DEEP + 1) + "a")


@given(st.text(max_size=40))
def test_no_text_is_a_malformed_question(text: str) -> None:
    question(text)


@given(st.text(max_size=12), st.text(max_size=12))
def test_different_words_have_different_codes_and_beginnings_stay_beginnings(one: str, other: str) -> None:
    assert (coded(one) == coded(other)) == (one == other)
    assert coded(one + other).startswith(coded(one))
    assert coded(one).isascii() and (not one or coded(one).isalnum())


@pytest.mark.parametrize(
    ("formula", "names"),
    [
        ("car", ["car"]), ("traffic light AND NOT wheel", ["traffic light"]), ("NOT wheel", []), ("NOT NOT wheel", ["wheel"]),
        ("(car OR bus) AND NOT (road OR street sign)", ["car", "bus"]), ("NOT (car AND NOT wheel)", ["wheel"]),
        ("a AND (NOT b) AND c d", ["a", "c d"]), ("", []), ("))) NOT a ((", []), ("a OR", ["a"]),
    ],
)  # fmt: skip
def test_a_formula_is_about_what_it_does_not_exclude(formula: str, names: list[str]) -> None:
    assert affirmed(formula) == names


def test_a_formula_without_concepts_in_the_database_is_found_by_what_its_text_affirms(store: Store) -> None:
    run = store.begin_run(spec(save_world(store)))
    labels = (LabelEntry("river AND NOT wheel", "formula", "published", score=0.2),)
    store.write_layer(run.id, LayerResult(LayerRecord("conv1", 1), (unit(0, *labels, exemplars=0),)))
    assert len(store.search("river")) == 1
    assert store.search("wheel") == store.search("not") == []


def test_the_hierarchy_can_be_switched_off(store: Store) -> None:
    save_run(store)
    assert [view.index for view in store.search("dog")] == [0, 1]
    assert [view.index for view in store.search("dog", UnitFilter(narrower=False))] == [0]
    assert [view.why for view in store.search("automobile", UnitFilter(narrower=False))] == ["synonym: automobile is a name of car"]


def test_new_ties_and_names_are_searched_at_once(store: Store) -> None:
    save_run(store)
    assert store.search("animal") == store.search("vehicle") == store.search("voiture") == []
    more = [ConceptEntry("animal", ""), ConceptEntry("vehicle", "", "", ("conveyance",)), ConceptEntry("car", "object", "7", ("voiture",))]
    edges = [ConceptEdge(("object", "dog"), ("", "animal")), ConceptEdge(("object", "car"), ("", "vehicle"))]
    store.save_concepts("words", more, edges)
    assert [view.index for view in store.search("animal")] == [0, 1]
    assert [view.why for view in store.search("animal")] == ["narrower: dog, under animal", "narrower: terrier, under animal"]
    assert [view.index for view in store.search("conveyance")] == [0]
    assert [view.why for view in store.search("voiture")] == ["synonym: voiture is a name of car"]
    assert store.search("automobile") == []


def test_what_is_deleted_or_replaced_is_found_no_more(store: Store) -> None:
    run, kept = save_run(store), save_run(store, "1" * 64)
    store.write_layer(run.id, LayerResult(LayerRecord("conv1", 6), (unit(0, concept_label("dog", "object", 0.2)),)))
    assert [(view.run_id, view.index) for view in store.search("car", UnitFilter(narrower=False))] == [(kept.id, 0)]
    store.delete_run(kept.id)
    assert store.search("car") == []
    assert [view.run_id for view in store.search("dog")] == [run.id]
    assert len(store.units()) == 1


def test_labels_are_in_the_same_order_whatever_their_layer_is_called_later(store: Store) -> None:
    """The place of a layer among the others changes when a later run looks at other layers of the network."""
    run = save_run(store)
    store.write_layer(run.id, LayerResult(LayerRecord("conv2", 1, 1), (unit(0, exemplars=0),)))
    later = store.begin_run(spec(save_world(store), "1" * 64))
    store.write_layer(later.id, LayerResult(LayerRecord("conv1", 6, 5), ()))
    assert [view.layer for view in store.units(UnitFilter(run=run.id), order="index")] == ["conv2", *["conv1"] * 6]


def test_an_index_that_is_lacking_is_made_when_the_database_is_opened(url: str) -> None:
    from dissect.store import migrate

    with Store.open(url) as store:
        save_run(store)
        before = store.search("dog"), store.units(order="index"), store.facets(UnitFilter(q="car"))
    migrate.downgrade(url, "0006")
    migrate.upgrade(url)
    with Store.open(url) as store:
        assert (store.search("dog"), store.units(order="index"), store.facets(UnitFilter(q="car"))) == before
