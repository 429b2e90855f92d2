"""A thousand damaged tables: each is imported with its faults listed, or refused with file, line and remedy; nothing else happens."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from dissect.errors import DataError, DissectError
from dissect.exchange.importers import KINDS, Options, open_table, understand
from tests.exchange.published_tables import ALL

TABLES = 1000
CELLS = (
    "", "nan", "-1", "1e999", "inf", "=1+1", "x" * 30_000, "y" * 140_000, '"', "0.5;0.6", "\0", "9" * 21, "[[[[[[[[", "🦊", "'",
)  # fmt: skip
"""What a damaged cell holds."""


def damaged(rng: random.Random, text: str) -> bytes:
    """The table with one to three things wrong."""
    for _ in range(rng.randint(1, 3)):
        text = rng.choice((_cell, _line, _header, _cut, _signs))(rng, text)
    data = text.encode("utf-8", "surrogatepass")
    return rng.choice((lambda d: d, lambda d: d, lambda d: b"\xef\xbb\xbf" + d, _bytes, lambda d: d.replace(b"\n", b"\r\n")))(data)


def _cell(rng: random.Random, text: str) -> str:
    lines = text.split("\n")
    number = rng.randrange(len(lines))
    cells = lines[number].split(",")
    cells[rng.randrange(len(cells))] = rng.choice(CELLS)
    lines[number] = ",".join(cells)
    return "\n".join(lines)


def _line(rng: random.Random, text: str) -> str:
    lines = text.split("\n")
    line = lines.pop(rng.randrange(len(lines)))
    return "\n".join([*lines, *rng.choice(([], [line, line], [line[: len(line) // 2]], [line + ",more"]))])


def _header(rng: random.Random, text: str) -> str:
    header, _, rest = text.partition("\n")
    names = header.split(",")
    rng.shuffle(names)
    return ",".join(names[: rng.randint(0, len(names))]) + "\n" + rest


def _cut(rng: random.Random, text: str) -> str:
    return text[: rng.randint(0, len(text))]


def _signs(rng: random.Random, text: str) -> str:
    return rng.choice((text.replace(",", ";"), text.replace(",", "\t"), text.replace("\n", "\r"), text.replace("(", "("* 40), text + '"'))


def _bytes(data: bytes) -> bytes:
    return data[: len(data) // 2] + b"\xff\xfe" + data[len(data) // 2 :]


@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_leads_to_anything_but_a_list_of_faults_or_a_message(kind: str, tmp_path: Path) -> None:
    rng = random.Random(f"{kind} 1")
    path = tmp_path / "table.csv"
    refused = imported = 0
    for _ in range(TABLES // len(KINDS) + 1):
        path.write_bytes(damaged(rng, ALL[kind]))
        try:
            named, table = open_table(rng.choice(("auto", kind)), path)
            found = understand(named, path, table, Options(layer=None if named in ("milan", "clip-dissect") else "x"))
        except DissectError as error:
            assert isinstance(error, DataError), error
            assert str(path) in str(error) and re.search(r"[lL]ine \d+", str(error)), error
            assert re.search(r"\b(save|check|correct|remove|name|add|shorten|cut|table begins)\b", str(error), re.IGNORECASE), error
            assert len(str(error)) < 1500
            refused += 1
            continue
        imported += 1
        assert found.units > 0 and all(0 <= unit.index < 65_536 for layer in found.layers for unit in layer.units)
        assert all(each.line > 1 and len(each.reason) < 400 for each in found.refused)
    assert refused > 20 and imported > 20
