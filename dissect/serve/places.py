"""What an address names: a run of a network, a layer of it, the units of a concept."""

from __future__ import annotations

from dissect.audit.changes import RunChanges
from dissect.errors import UsageError
from dissect.serve.names import name_in
from dissect.serve.query import CompareQuery, LayerQuery
from dissect.serve.read import Reader
from dissect.store import ConceptView, LayerSummary, RunRecord, UnitFilter


def layer_place(read: Reader, model: str, run: str, layer: str) -> tuple[RunRecord, LayerSummary]:
    """The run and its layer, from the segments of an address.

    Raises:
        NotFoundError: there is no such network, run or layer.
    """
    record = read.run(run, name_in(model))
    return record, read.layer(record, name_in(layer))


def concept_filters(asked: LayerQuery, concept: ConceptView) -> UnitFilter:
    """Units that carry or use a concept, in the newest run on each layer."""
    named = asked.model_copy(update={"concept": concept.name})
    return named.filters(newest=True)


def changes_of(read: Reader, asked: CompareQuery) -> RunChanges:
    """Two runs beside each other.

    Raises:
        UsageError: a run is not named.
    """
    if asked.a is None or asked.b is None:
        raise UsageError("two runs are compared: name them, ?a=1&b=2.")
    return read.changes(asked.a, asked.b, asked.method, asked.against)
