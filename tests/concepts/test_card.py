"""Cards: strict, all faults at once, found by name or path, with their data found."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.concepts.card import FORMATS, DataCard, card_schema, find_card, list_cards, load_card, parse_card
from dissect.concepts.open import READERS, open_set
from dissect.config import resolve
from dissect.errors import CardError, DissectError, NotFoundError, UsageError
from dissect.paths import shipped
from tests.concepts.cards import write_card, write_picture

FULL = """
title = "Tiny set"
citation = "nobody, 2020"
vocabulary = "tiny words"
split = "train"
categories = ["object", "part"]
void = [255, 11]
label_size = [112, 96]
annotated = ["object"]
colour_naming = true
hierarchy = "h.csv"
sha256 = "%s"
[group]
pattern = '([a-z]+)_'
[attributes]
file = "a.csv"
key = "image"
columns = ["age"]
[options]
anything = 1
""" % ("ab" * 32)


def test_every_key_of_a_card_arrives(tmp_path: Path) -> None:
    card = parse_card(write_card(tmp_path, "png-csv", FULL))
    assert (card.name, card.title, card.format, card.vocabulary, card.split) == ("tiny", "Tiny set", "png-csv", "tiny words", "train")
    assert (card.categories, card.void, card.label_size, card.annotated) == (("object", "part"), (255, 11), (112, 96), ("object",))
    assert card.colour_naming and card.hierarchy == "h.csv" and card.sha256 == "ab" * 32
    assert card.group is not None and card.group.pattern is not None and card.group.pattern.groups == 1
    assert card.attributes is not None and card.attributes.columns == ("age",)
    assert card.options == {"anything": 1}


def test_what_is_left_out_has_plain_defaults(tmp_path: Path) -> None:
    card = parse_card(write_card(tmp_path, "broden"))
    assert (card.title, card.vocabulary, card.split, card.annotated, card.label_size, card.void) == ("tiny", "tiny", None, None, None, ())


def test_one_number_is_a_square_label_size(tmp_path: Path) -> None:
    assert parse_card(write_card(tmp_path, "broden", "label_size = 56")).label_size == (56, 56)


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("colour = true", "colour"),
        ("split = 3", "split"),
        ("split = ''", "split"),
        ("categories = 'object'", "categories"),
        ("categories = ['a', 'a']", "categories"),
        ("void = [-1]", "void"),
        ("void = [true]", "void"),
        ("label_size = 0", "label_size"),
        ("label_size = true", "label_size"),
        ("label_size = [1, 2, 3]", "label_size"),
        ("label_size = [99999, 2]", "label_size"),
        ("annotated = 'some'", "annotated"),
        ("colour_naming = 'yes'", "colour_naming"),
        ("sha256 = 'ABC'", "sha256"),
        ("group = 'drive'", "group"),
        ("[group]\n", "group"),
        ("[group]\ncolumn = 'a'\npattern = '(a)'", "group"),
        ("[group]\npattern = '('", "pattern"),
        ("[group]\npattern = 'a'", "pattern"),
        ("[group]\nfolder = 'a'", "folder"),
        ("[attributes]\nkey = 'image'", "file"),
        ("[attributes]\nfile = 'a'\ncolumns = [1]", "columns"),
        ("options = 1", "options"),
    ],
)
def test_a_wrong_key_is_named_with_the_file(tmp_path: Path, more: str, key: str) -> None:
    path = write_card(tmp_path, "broden", more)
    with pytest.raises(CardError, match=rf"{re.escape(str(path))}.*`{key}`.*Mend the card"):
        parse_card(path)


def test_all_faults_come_in_one_message(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('name = "Bad Name"\nformat = "pcx"\nvoid = "x"\nspelled = 1\n[group]\ncolumn = 3\n', encoding="utf-8")
    with pytest.raises(CardError) as caught:
        parse_card(path)
    for word in ("`name`", "`format`", "`root`", "`licence`", "`source`", "`void`", "`spelled`", "`column`"):
        assert word in str(caught.value)


@pytest.mark.parametrize("data", [b"\xff\xfe", b"name = ", b"[[", b"a" * 5000, b"name = 1\nname = 2", b"x = " + b"[" * 3000])
def test_a_file_that_is_no_toml_is_a_card_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(data)
    with pytest.raises(CardError, match=re.escape(str(path))):
        parse_card(path)


scalars = st.none() | st.booleans() | st.integers(-10, 300) | st.floats(allow_nan=False, width=16) | st.text("ab./()[0 é", max_size=8)
KEYS = [field.name for field in fields(DataCard)]


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
    return "inf" if value == float("inf") else "-inf" if value == float("-inf") else str(value or 0)


values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, "column", "pattern", "file"]), inner, max_size=3),
)


@given(table=st.dictionaries(st.sampled_from([*KEYS, "other"]), values, max_size=8), kind=st.sampled_from([*FORMATS, "x"]))
def test_any_card_opens_or_fails_politely(tmp_path_factory: pytest.TempPathFactory, table: dict[str, object], kind: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    table = {"name": "a", "licence": "b", "source": "c", "root": ".", "format": kind, **table}
    path.write_text("\n".join(f"{key} = {toml(value)}" for key, value in table.items()), encoding="utf-8")
    try:
        parse_card(path)
    except CardError as error:
        assert str(path) in str(error)


OPTIONS = ["images", "index", "image", "planes", "file", "columns", "separator", "label_column", "pattern", "splits", "category", "other"]


OURS = ["png-csv", "broden", "image-folder", "image-labels", "pictures"]


@given(options=st.dictionaries(st.sampled_from(OPTIONS), values, max_size=5), kind=st.sampled_from(OURS))
def test_any_options_open_or_fail_politely(tmp_path_factory: pytest.TempPathFactory, options: dict[str, object], kind: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "options"
    write_picture(folder / "a.png")
    path = write_card(folder, kind, "".join(f"options.{key} = {toml(value)}\n" for key, value in options.items()))
    try:
        assert len(open_set(load_card(path)).records) == 1
    except DissectError as error:
        assert str(error).endswith("."), error


def test_a_relative_root_is_looked_up_beside_the_card_then_below_the_data_root(tmp_path: Path) -> None:
    (tmp_path / "cards").mkdir()
    path = write_card(tmp_path / "cards", "pictures", root="photos")
    with pytest.raises(NotFoundError, match=r"--data-root or DISSECT_DATA_ROOT"):
        load_card(path)
    (tmp_path / "data" / "photos").mkdir(parents=True)
    assert load_card(path, data_root=tmp_path / "data").root == tmp_path / "data" / "photos"
    (tmp_path / "cards" / "photos").mkdir()
    assert load_card(path, data_root=tmp_path / "data").root == tmp_path / "cards" / "photos"


def test_a_missing_root_names_every_place_that_was_tried(tmp_path: Path) -> None:
    path = write_card(tmp_path, "pictures", root="photos")
    with pytest.raises(NotFoundError) as caught:
        load_card(path, data_root=tmp_path / "data")
    assert str(tmp_path / "photos") in str(caught.value) and str(tmp_path / "data" / "photos") in str(caught.value)


def test_a_name_is_found_in_the_users_folders_before_the_shipped_ones(tmp_path: Path) -> None:
    assert find_card("camvid") == shipped("datasets") / "camvid.toml"
    write_card(tmp_path, "pictures").rename(tmp_path / "camvid.toml")
    assert find_card("camvid", [tmp_path]) == tmp_path / "camvid.toml"
    listed = {listing.name: listing for listing in list_cards([tmp_path])}
    assert listed["camvid"].path == tmp_path / "camvid.toml" and listed["clothing-coparsing"].card is not None


@pytest.mark.parametrize("name", ["nothing", "../camvid", "/etc/passwd", "", "a/b", "none.toml", "CAMVID"])
def test_an_unknown_name_lists_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFoundError, match=r"camvid|data list"):
        load_card(name, [tmp_path])


def test_a_malformed_card_is_listed_with_its_fault(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("name = 1", encoding="utf-8")
    bad = next(listing for listing in list_cards([tmp_path]) if listing.name == "bad")
    assert bad.card is None and bad.fault is not None and "`name`" in bad.fault


def test_every_shipped_card_parses_and_is_found_by_its_own_name() -> None:
    for listing in list_cards():
        assert listing.fault is None
        assert listing.card is not None and listing.card.name == listing.name
        assert listing.card.licence and listing.card.source


def test_every_key_and_every_format_is_explained() -> None:
    text = card_schema()
    for key in KEYS:
        assert key in text or key in ("path", "home"), key
    assert set(READERS) == set(FORMATS)


def test_a_file_beside_the_data_comes_before_one_beside_the_card(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    card = load_card(write_card(tmp_path, "pictures", root="photos"))
    with pytest.raises(NotFoundError, match=r"h\.csv"):
        card.file("h.csv")
    (tmp_path / "h.csv").touch()
    assert card.file("h.csv") == tmp_path / "h.csv"
    (tmp_path / "photos" / "h.csv").touch()
    assert card.file("h.csv") == tmp_path / "photos" / "h.csv"


def test_the_data_root_is_a_setting(tmp_path: Path) -> None:
    assert resolve({"HOME": "/home/a"}).data_root is None
    assert resolve({"HOME": "/home/a", "DISSECT_DATA_ROOT": str(tmp_path)}).data_root == tmp_path
    assert resolve({"HOME": "/home/a", "DISSECT_DATA_ROOT": "elsewhere"}, data_root=tmp_path).data_root == tmp_path
    with pytest.raises(UsageError, match="data_root"):
        resolve({"HOME": "/home/a"}, data_root=3)
