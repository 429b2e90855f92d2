"""Which kinds of published tables there are, and how a file is recognised by its header."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from dissect.errors import DataError, UsageError
from dissect.exchange.importers import compexp, falcon, invert, netdissect
from dissect.exchange.importers.compexp import read_compexp
from dissect.exchange.importers.descriptions import CLIP_DISSECT, MILAN, NEEDED, read_descriptions_of
from dissect.exchange.importers.falcon import read_falcon
from dissect.exchange.importers.invert import read_invert
from dissect.exchange.importers.model import Imported, Options
from dissect.exchange.importers.netdissect import read_netdissect
from dissect.exchange.importers.table import Table, read_table, shown

AUTO = "auto"
Reader = Callable[[Path, Table, Options], Imported]

READERS: Mapping[str, Reader] = {
    netdissect.KIND: read_netdissect,
    MILAN: partial(read_descriptions_of, MILAN),
    CLIP_DISSECT: partial(read_descriptions_of, CLIP_DISSECT),
    compexp.KIND: read_compexp,
    invert.KIND: read_invert,
    falcon.KIND: read_falcon,
}
KINDS = tuple(READERS)
WITH_LAYERS = (MILAN, CLIP_DISSECT)
"""Kinds whose tables say which layer a row is of."""
BRODEN = (netdissect.KIND, compexp.KIND)
UNSTATED = "unstated"
_TELLING: tuple[tuple[str, tuple[str, ...]], ...] = (
    (compexp.KIND, compexp.NEEDED), (netdissect.KIND, netdissect.HEAD), (CLIP_DISSECT, NEEDED[CLIP_DISSECT]), (MILAN, NEEDED[MILAN]),
    (invert.KIND, ("neuron", "concept", "metric")), (falcon.KIND, falcon.NEEDED),
)  # fmt: skip
"""Columns that tell a kind; those that have the columns of another one and more stand before it."""


def dataset_of(kind: str) -> str:
    """The data set that a kind's published tables are about where nobody says: Broden for those that count its pixels."""
    return "broden" if kind in BRODEN else UNSTATED


def check_kind(kind: str) -> None:
    """Refuse a kind that is not there.

    Raises:
        UsageError: with the kinds there are.
    """
    if kind not in (*KINDS, AUTO):
        raise UsageError(f"there is no kind of table {kind!r}. Choose one of {', '.join((*KINDS, AUTO))}.")


def recognise(path: Path, table: Table) -> str:
    """The kind of a table by its columns.

    Raises:
        DataError: it is of no known kind.
    """
    for kind, columns in _TELLING:
        if all(name in table.columns for name in columns):
            return kind
    there = ", ".join(shown(name) for name in table.columns[:12])
    raise DataError(f"{path}, line 1: these columns are of no known kind of table: {there}. Known: {', '.join(KINDS)}; name one.")


def open_table(kind: str, path: Path) -> tuple[str, Table]:
    """Read a file and say which kind of table it is.

    Raises:
        UsageError: no such kind. NotFoundError: no such file. DataError: it is no table, or of no known kind.
    """
    check_kind(kind)
    table = read_table(path)
    return (recognise(path, table) if kind == AUTO else kind), table


def understand(kind: str, path: Path, table: Table, options: Options) -> Imported:
    """The table as records.

    Raises:
        UsageError: the table does not say of which layer it is, and nobody else does.
        DataError: columns are missing, or no row can be an entry.
    """
    if kind not in WITH_LAYERS and not options.layer:
        raise UsageError(f"a table of {kind} does not say which layer it is of. Name it with --layer.")
    found = READERS[kind](path, table, options)
    if not found.units:
        first = found.refused[0] if found.refused else None
        why = f"line {first.line}: {first.reason}" if first else "line 2: there are no rows below the header; check the file"
        raise DataError(f"{path}: no row can be imported. {why[:1].upper()}{why[1:]}.")
    return found
