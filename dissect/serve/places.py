"""What an address names: a run of a network, a layer of it, the units of a concept."""

from __future__ import annotations

from dissect.serve.names import name_in
from dissect.serve.query import LayerQuery
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
