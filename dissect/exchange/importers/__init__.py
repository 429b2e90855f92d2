"""Published tables of unit labels, read into the store's records: one file a method."""

from dissect.exchange.importers.kinds import AUTO, KINDS, WITH_LAYERS, check_kind, dataset_of, open_table, recognise, understand
from dissect.exchange.importers.model import MOST_UNITS, THRESHOLD, Imported, LayerTable, Options, Refused, Violation
from dissect.exchange.importers.table import Table, read_table

__all__ = [
    "AUTO",
    "KINDS",
    "MOST_UNITS",
    "THRESHOLD",
    "WITH_LAYERS",
    "Imported",
    "LayerTable",
    "Options",
    "Refused",
    "Table",
    "Violation",
    "check_kind",
    "dataset_of",
    "open_table",
    "read_table",
    "recognise",
    "understand",
]
