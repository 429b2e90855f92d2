"""Runs that were read from published tables: what cannot be done with them."""

from __future__ import annotations

from dissect.errors import NotSupportedError
from dissect.store import RunRecord


def refuse_imported(record: RunRecord, what: str) -> None:
    """Refuse what needs pictures, counts or the network of an imported run, of which there are none.

    Raises:
        NotSupportedError: the run was imported.
    """
    if (table := record.imported) is not None:
        raise NotSupportedError(
            f"run {record.id} was imported from {table.get('file', 'a table')}: there is no cache, picture or network behind it to {what}. "
            "Dissect the network itself with dissect run."
        )
