"""Tables of descriptions: read whole, or refused with the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dissect.audit.words import Description
from dissect.errors import DataError, NotFoundError
from dissect.exchange.descriptions import read_descriptions


def test_either_name_of_the_text_is_read_and_further_columns_do_not_matter(tmp_path: Path) -> None:
    for name in ("description", "summary", "label"):
        path = tmp_path / f"{name}.csv"
        path.write_text(f'\ufefflayer,unit,{name},similarity\nconv1,3,"a face, or two",0.5\n', encoding="utf-8")
        assert read_descriptions(path) == [Description("conv1", 3, "a face, or two")]


@pytest.mark.parametrize(("text", "message"), [
    ("", "needs the columns"), ("layer,unit\na,1\n", "description"), ("layer,unit,label\na,-1,x\n", "line 2"),
    ("layer,unit,label\n,1,x\n", "line 2"),
    ("layer,unit,label\na,1,x\na,2\n", "line 3"), ("layer,unit,label\na,1.5,x\n", "1.5"), ("layer,unit,label\na,99999999,x\n", "line 2"),
])  # fmt: skip
def test_a_malformed_table_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "said.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_descriptions(path)


def test_what_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_bytes(b"layer,unit,label\n\xff\xfe,1,x\n")
    with pytest.raises(DataError, match="UTF-8"):
        read_descriptions(tmp_path / "odd.csv")
    with pytest.raises(NotFoundError):
        read_descriptions(tmp_path / "gone.csv")
