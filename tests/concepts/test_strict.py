"""Tables read strictly, CSV files, file hashes, and the way from a format to its reader."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.atomic import sha256_file
from dissect.concepts import contents
from dissect.concepts.contents import MISSING, content_hash, content_hashes
from dissect.concepts.open import READERS, open_set
from dissect.concepts.strict import Table
from dissect.concepts.tables import below, read_csv
from dissect.errors import CardError, DataError, NotFoundError
from tests.concepts.cards import card_for, write_picture

GETTERS: dict[str, tuple[Callable[[Table], object], object]] = {
    "text": (lambda t: t.text("key"), "word"),
    "flag": (lambda t: t.flag("key"), True),
    "whole": (lambda t: t.whole("key", least=2), 2),
    "number": (lambda t: t.number("key", least=0.5), 0.5),
    "choice": (lambda t: t.choice("key", ("a", "b")), "b"),
    "texts": (lambda t: t.texts("key"), ["a", "b"]),
    "wholes": (lambda t: t.wholes("key", least=1), [1, 1]),
}
WRONG: dict[str, list[object]] = {
    "text": ["", " ", 1, None, ["a"], "a\0b"],
    "flag": [0, 1, "true", None],
    "whole": [1, True, 2.0, "2", None],
    "number": [0.4, float("nan"), float("inf"), True, "1"],
    "choice": ["c", 1, ["a"], {"a": 1}],
    "texts": ["ab", [1], [""], ["a", "a"], None, {"a": 1}],
    "wholes": [1, [0], [True], [1.0], ["1"]],
}


@pytest.mark.parametrize("kind", GETTERS)
def test_a_right_value_is_given_and_a_wrong_one_is_named(kind: str) -> None:
    get, right = GETTERS[kind]
    table = Table({"key": right}, "card")
    found = get(table)
    assert (list(found) if isinstance(found, tuple) else found) == right
    table.finish()
    for wrong in WRONG[kind]:
        table = Table({"key": wrong}, "card.toml")
        get(table)
        with pytest.raises(CardError, match=r"^card\.toml: `key` is .* must be .*Mend the card"):
            table.finish()


@pytest.mark.parametrize("kind", GETTERS)
def test_a_missing_value_is_named_once(kind: str) -> None:
    table = Table({}, "card.toml")
    GETTERS[kind][0](table)
    with pytest.raises(CardError) as caught:
        table.finish()
    assert str(caught.value) == "card.toml: `key` is missing. Mend the card and run the command again."


def test_unknown_keys_list_the_known_ones() -> None:
    table = Table({"colour": 1, "size": 2}, "card.toml")
    table.whole("size")
    table.flag("grey", False)
    with pytest.raises(CardError, match="`colour` is no key here; keys are grey, size"):
        table.finish()


def test_a_long_wrong_value_is_shown_short() -> None:
    table = Table({"key": "x" * 10_000}, "card.toml")
    table.whole("key")
    with pytest.raises(CardError) as caught:
        table.finish()
    assert len(str(caught.value)) < 300


def test_tables_inside_tables() -> None:
    table = Table({"one": {"a": 1}, "many": [{"b": 2}, {}], "bad": [{}, 1], "worse": 3}, "card.toml")
    assert table.table("one") == {"a": 1} and table.table("none") is None
    assert table.tables("many") == ({"b": 2}, {}) and table.tables("nothing") == ()
    assert table.tables("bad") == () and table.table("worse") is None
    with pytest.raises(CardError, match=r"\[\[bad\]\].*\[worse\]"):
        table.finish()


cells = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=6)


@given(rows=st.lists(st.lists(cells, min_size=2, max_size=2), max_size=5), mark=st.booleans())
def test_what_csv_writes_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], mark: bool) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([["a", " b "], *rows])
    path = tmp_path_factory.getbasetemp() / "rows.csv"
    path.write_bytes((b"\xef\xbb\xbf" if mark else b"") + buffer.getvalue().encode())
    assert [list(row.values()) for _, row in read_csv(path, ("a", "b"))] == rows


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"a,b\n1,2,3\n", "line 2: 3 cells, but the header names 2"),
        (b"a,b\n\n\n1\n", "line 4: 1 cells"),
        (b"a,c\n", "has no column b. It has: a, c"),
        (b"a,b,b\n", "names one column twice"),
        (b"a,b\n\xff,1\n", "cannot be read as CSV in UTF-8"),
        (b'a,b\n"1,2\n', "cannot be read as CSV"),
        (b"a,b\n" + b"x" * 200_000 + b",1\n", "cannot be read as CSV"),
    ],
)
def test_a_malformed_csv_is_named_by_file_and_line(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(data)
    with pytest.raises(DataError, match=words) as caught:
        list(read_csv(path, ("a", "b")))
    assert str(path) in str(caught.value)


def test_a_missing_csv_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"rows\.csv"):
        list(read_csv(tmp_path / "rows.csv"))


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "..", "", " ", "a\0b"])
def test_names_that_lead_out_of_the_root_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"index\.csv: .* below"):
        below(tmp_path, name, "index.csv")
    assert below(tmp_path, "a/b..c.png", "index.csv") == tmp_path / "a" / "b..c.png"


@given(data=st.lists(st.binary(max_size=50), max_size=6))
def test_content_hashes_are_sha256(tmp_path_factory: pytest.TempPathFactory, data: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("contents")
    paths = [folder / str(number) for number in range(len(data))]
    for path, content in zip(paths, data, strict=True):
        path.write_bytes(content)
    found = content_hashes([*paths, *paths, folder / "none", folder])
    assert [found[path] for path in paths] == [hashlib.sha256(content).hexdigest() for content in data]
    assert found[folder / "none"] == found[folder] == MISSING


def test_a_file_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return sha256_file(path)

    monkeypatch.setattr(contents, "sha256_file", counted)
    path = tmp_path / "a"
    path.write_bytes(b"one")
    assert content_hash(path) == content_hash(path) and len(read) == 1
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 2))
    assert content_hash(path) == hashlib.sha256(b"two").hexdigest() and len(read) == 2


def test_a_format_without_reader_is_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    card = card_for(tmp_path, "pictures")
    object.__setattr__(card, "format", "pcx")
    with pytest.raises(CardError, match=r"no format 'pcx'. Formats: broden, "):
        open_set(card)


def test_formats_are_loaded_only_when_they_are_opened() -> None:
    code = "import sys, dissect.concepts; print([n for n in sys.modules if n.startswith('dissect.concepts.') or n in ('torch', 'numba')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in ("broden", "png_csv", "image_folder", "coco", "procedural", "torch", "numba"):
        assert name not in loaded.replace("dissect.concepts.", "").replace("'", " ").split(), loaded
    assert "png-csv" in READERS
