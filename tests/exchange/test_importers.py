"""Published tables: each kind is recognised and understood, and what breaks a promise is said and not mended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.errors import DataError, NotFoundError, UsageError
from dissect.exchange.importers import KINDS, Imported, Options, check_kind, open_table, understand
from dissect.exchange.importers.falcon import phrases
from dissect.exchange.importers.leaves import leaves, negations
from dissect.exchange.importers.table import number, whole, words
from dissect.exchange.tables import harmless
from tests.exchange.published_tables import ALL, CLIP_DISSECT, COMPEXP, FALCON, INVERT, LITE, MILAN, NETDISSECT

Reader = Callable[..., Imported]


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    """Writes a text to a file and imports it; layer `x` where the table does not say."""

    def reads(text: str | bytes, kind: str = "auto", layer: str | None = "x", **options: object) -> Imported:
        path = tmp_path / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        found, table = open_table(kind, path)
        named = layer if found not in ("milan", "clip-dissect") or layer != "x" else None
        return understand(found, path, table, Options(layer=named, **options))  # type: ignore[arg-type]

    return reads


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_recognised_by_its_columns_and_sound_tables_have_no_faults(read: Reader, kind: str) -> None:
    found = read(ALL[kind])
    assert (found.kind, found.refused, found.violations) == (kind, (), ())
    assert found.units == sum(len(layer.units) for layer in found.layers) > 0


def test_netdissects_units_count_from_1_and_ours_from_0(read: Reader) -> None:
    found = read(NETDISSECT)
    units = found.layers[0].units
    assert [unit.index for unit in units] == [0, 1, 2]
    label = units[0].labels[0]
    assert (label.text, label.category, label.score, label.detector) == ("car", "object", 0.25, True)
    assert (label.intersection, label.unit_area, label.concept_area, label.reachable) == (20, 40, 60, 40 / 60)
    assert [score.concept for score in units[1].concepts] == [("color", "blue-c")]
    assert found.layers[0].kept == {"1": {"object": ["", "24924928", "7", "7", "0"]}}
    assert {unit.stats.state for unit in units} == {"unknown"}


def test_a_detector_is_above_the_threshold_unless_the_table_is_said_to_count_equality(read: Reader) -> None:
    strict, inclusive = read(NETDISSECT).layers[0].summary, read(NETDISSECT, inclusive=True).layers[0].summary
    assert strict is not None and inclusive is not None
    assert (strict.detectors, strict.unique, strict.by_category["object"]) == (1, 1, {"car": 1})
    assert (inclusive.detectors, inclusive.unique, inclusive.by_category["object"]) == (2, 2, {"car": 1, "dog": 1})


def test_columns_and_rows_may_stand_in_any_order_and_counts_may_be_written_as_floats(read: Reader) -> None:
    units = read(LITE).layers[0].units
    assert [(unit.index, unit.labels[0].text, unit.labels[0].concept_area) for unit in units] == [(0, "dog", 30), (1, "car", 60)]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("20,0.25\n2", "20,0.26\n2", "object-iou is 0.26, but I / (A + G - I) = 20 / 80 = 0.25"),
        ("car,0.25,red", "car,0.3,red", "score is 0.3, but the largest IoU of its categories is 0.25"),
        ("1,object,car,0.25", "1,object,,0.25", "score is 0.25, but there is no label"),
        ("1,object,car,0.25", "1,object,bus,0.25", "label is 'bus', but object-label is 'car'"),
        ("1,object,car,0.25", "1,vehicle,car,0.25", "category 'vehicle' is none of the table's"),
        ("car,60,40,20,0.25", "car,60.5,40,20,0.25", "the numbers of object are '60.5', '40', '20', '0.25', no pixel counts and IoU"),
        ("car,60,40,20,0.25", "car,60,nan,20,0.25", "the numbers of object are '60', 'nan', '20', '0.25', no pixel counts and IoU"),
    ],
)
def test_a_broken_identity_is_said_entered_and_not_mended(read: Reader, old: str, new: str, fault: str) -> None:
    assert NETDISSECT.count(old) == 1
    found = read(NETDISSECT.replace(old, new))
    assert fault in [each.text for each in found.violations]
    assert {(each.line, each.unit) for each in found.violations} == {(2, 0)} and found.units == 3 and found.refused == ()
    labels = found.layers[0].units[0].labels
    assert not labels or fault in str(labels[0].details["violations"])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("\n2,color", "\n1,color", "unit 1 is there already"),
        ("\n2,color", "\n0,color", "unit is '0'; units are whole numbers from 1"),
        ("\n2,color", "\n-3,color", "unit is '-3'; units are whole numbers from 1"),
        ("\n2,color", "\n2.5,color", "unit is '2.5'"),
        ("\n2,color", "\n70000,color", "beyond the layer's 65,536 units"),
        ("blue-c,0.02,", "blue-c,nan,", "score is 'nan', no IoU between 0 and 1"),
        ("blue-c,0.02,", "blue-c,1.5,", "score is '1.5', no IoU between 0 and 1"),
        ("blue-c,0.02,blue-c", "blue-c,0.02", "13 cells under 14 columns"),
    ],
)
def test_a_row_that_cannot_be_an_entry_is_refused_with_its_line(read: Reader, old: str, new: str, reason: str) -> None:
    found = read(NETDISSECT.replace(old, new, 1))
    assert [each.line for each in found.refused] == [3] and reason in found.refused[0].reason
    assert [unit.index for unit in found.layers[0].units] == [0, 2]
    assert [(each.line, each.text) for each in found.violations] == [(0, "1 of the units up to 3 have no row: 2")]


def test_descriptions_come_by_layer_and_a_similarity_is_no_iou(read: Reader) -> None:
    found = read(MILAN)
    assert [(layer.name, [unit.labels[0].text for unit in layer.units]) for layer in found.layers] == [
        ("conv1", ["Black lettering", "Nothing"]), ("layer1", ["Dog faces"]),
    ]  # fmt: skip
    assert [layer.name for layer in read(MILAN, layer="layer1").layers] == ["layer1"]
    label = read(CLIP_DISSECT).layers[0].units[1].labels[0]
    assert (label.kind, label.score, label.score_kind, label.detector) == ("description", -0.5, "similarity", None)
    with pytest.raises(DataError, match=r"line 2: no row is of layer conv9. Name one of its layers: 'conv1', 'layer1'"):
        read(MILAN, layer="conv9")


def test_an_empty_description_is_refused(read: Reader) -> None:
    found = read(MILAN.replace("Nothing", " "))
    assert [each.line for each in found.refused] == [3]
    assert found.refused[0].reason == "unit 1 of layer conv1 has no description; add it or remove the row"


def test_compexp_gives_a_formula_with_signs_and_the_best_concept(read: Reader) -> None:
    found = read(COMPEXP, category_of=lambda name: "object" if name == "water" else "")
    formula, single = found.layers[0].units[0].labels
    assert (formula.kind, formula.method, formula.length, formula.score) == ("formula", "compositional", 3, 0.2)
    assert formula.concepts == ((("object", "water"), 1), (("", "river"), 1), (("", "blue-c"), -1))
    assert formula.details["published_length"] == "4"
    assert (single.kind, single.text, single.score, single.detector) == ("concept", "water", 0.15, True)
    assert found.layers[0].units[2].labels == ()


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("0.2,4", "0.1,4", "the formula scores 0.1, less than the single concept's 0.15"),
        ("0.2,4", "0.2,7", "length is '7', but the formula has 3 concepts and 1 NOT"),
        ("((water OR river)", "((water OR)", "is no formula of AND, OR and NOT"),
        ("NONE,0,0,,,", "NONE,0.1,0,,,", "score is 0.1, but there is no label"),
    ],
)
def test_what_the_formula_search_promises_is_checked(read: Reader, old: str, new: str, fault: str) -> None:
    found = read(COMPEXP.replace(old, new))
    assert any(fault in each.text for each in found.violations) and found.units == 3


def test_inverts_best_concept_is_the_label_and_others_follow(read: Reader) -> None:
    units = read(INVERT).layers[0].units
    assert (units[0].labels[0].text, units[0].labels[0].score_kind) == ("tench, Tinca tinca", "auroc")
    formula, concept = units[1].labels
    assert (formula.kind, formula.rank, concept.kind, concept.rank) == ("formula", 1, "concept", 1)
    assert [(key[1], sign) for key, sign in formula.concepts] == [("terrier", 1), ("hound", 1), ("cat", -1)]
    entries = {entry.name: entry for entry in read(INVERT).concepts}
    assert entries["tench, Tinca tinca"].synonyms == ("tench", "Tinca tinca")
    assert read(INVERT.replace("0.91", "1.91")).refused[0].reason.startswith("metric is '1.91', no AUROC")


def test_falcon_has_some_units_and_reads_literals_without_running_anything(read: Reader) -> None:
    units = read(FALCON).layers[0].units
    assert [(unit.index, [label.text for label in unit.labels]) for unit in units] == [(3, ["a brown dog", "soft fur"]), (7, ["sky"])]
    assert units[0].labels[0].details == {"words": [["dog", 0.31], ["fur", 0.2]]}
    found = read(FALCON.replace("7,1,", '"7,8",1,'))
    assert [each.line for each in found.refused] == [3] and "has several units" in found.refused[0].reason


@pytest.mark.parametrize(
    "cell",
    [
        "__import__('os').system('true')", "[print(1)]", "[('a', 1e999)]", "[(1, 2)]", "{'a': 1}", "'a'", "[('a', True)]", "(" * 5000,
        "[" * 90 + "]" * 90, "-" * 15000 + "1", "[('a'", "[('a', 0.1), 3]", "['" + "a" * 30000 + "']", "['']", "[('a', 10**400)]",
        f"[('a', 1{'0' * 400})]", "\0",
    ],
)  # fmt: skip
def test_a_cell_that_is_no_list_of_texts_is_refused(cell: str) -> None:
    assert phrases(cell) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("car", (("car", 1),)), ("shop window OR NOT blue-c", (("shop window", 1), ("blue-c", -1))),
        ("NOT (a AND NOT b)", (("a", -1), ("b", 1))), ("", None), ("a OR", None), ("(a", None), ("a)", None), ("AND", None),
        ("(" * 90 + "a" + ")" * 90, None),
    ],
)  # fmt: skip
def test_concepts_of_a_formula_carry_the_sign_of_all_their_negations(text: str, found: object) -> None:
    assert leaves(text) == found


NAMES = st.sampled_from(["car", "shop window", "red-c", "dining_room-s"])
FORMULAS = st.recursive(
    NAMES.map(lambda name: (name, ((name, 1),), 0)),
    lambda inner: st.one_of(
        inner.map(lambda f: (f"(NOT {f[0]})", tuple((name, -sign) for name, sign in f[1]), f[2] + 1)),
        st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(
            lambda t: (f"({t[0][0]} {t[1]} {t[2][0]})", t[0][1] + t[2][1], t[0][2] + t[2][2])
        ),
    ),
    max_leaves=10,
)  # fmt: skip


@given(FORMULAS)
def test_any_formula_is_read_with_its_signs(made: tuple[str, tuple[tuple[str, int], ...], int]) -> None:
    text, found, nots = made
    assert leaves(text) == found and negations(text) == nots


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).map(str.strip))
def test_what_our_exports_mark_for_spreadsheets_comes_back_as_it_was(text: str) -> None:
    assert words(str(harmless(text))) == text


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300))
def test_numbers_come_back_exactly(value: float) -> None:
    assert number(repr(value)) == value


def test_numbers_are_decimal_and_finite_and_counts_are_whole() -> None:
    assert [number(text) for text in ("nan", "inf", "1_000", "", "0x1f", "1e999", "٣", "1,5")] == [None] * 8
    assert [whole(text) for text in ("12", "12.0", "1.2e1", "12.5", "1e300")] == [12, 12, 12, None, None]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"table.csv, line 1: the file is empty"),
        (b"\xef\xbb\xbf", r"table.csv, line 1: the file is empty"),
        (MILAN.replace(",", ";").encode(), r"line 1: the columns are parted by semicolons. Save the table with commas"),
        (b"layer,unit,description\nconv1,0,caf\xe9\n", r"line 2: byte 34 is no UTF-8. Save the table as UTF-8"),
        (MILAN.encode("utf-16"), r"line 1: byte 0 is no UTF-8"),
        (b"layer,unit,unit,description\n", r"line 1: column 'unit' is there twice. Remove one"),
        (b"a,b,c\n1,2,3\n", r"line 1: these columns are of no known kind of table: 'a', 'b', 'c'. Known: netdissect"),
        (b'layer,unit,description\nconv1,0,"open\n', r"line 2: this is no CSV: unexpected end of data"),
        (b"layer,unit,description\n", r"no row can be imported. Line 2: there are no rows below the header"),
        (b"layer,unit,description\nconv1,x,text\n", r"no row can be imported. Line 2: unit is 'x'"),
        (b"unit,category,label,score\n1,a,b,0.5\n", r"line 1: a table of netdissect has the columns X-label to X-iou"),
        (b"unit,category,label,score,a-label\n1,a,b,0.5,b\n", r"line 1: a table of netdissect needs the column a-truth; it has: 'unit'"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_line_and_remedy(read: Reader, data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(data)


def test_marks_line_ends_and_blanks_do_not_matter(read: Reader) -> None:
    plain = read(MILAN)
    assert read("\ufeff" + MILAN.replace("\n", "\r\n").replace(",", " , ")).layers == plain.layers


def test_a_table_that_does_not_say_its_layer_needs_one_and_kinds_and_files_must_be_there(read: Reader, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a table of netdissect does not say which layer it is of\. Name it with --layer"):
        read(NETDISSECT, layer=None)
    with pytest.raises(UsageError, match="there is no kind of table 'milano'"):
        check_kind("milano")
    with pytest.raises(NotFoundError, match=r"there is no file .*nothing.csv to import"):
        open_table("auto", tmp_path / "nothing.csv")
