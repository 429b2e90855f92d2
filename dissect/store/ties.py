"""Concepts and what they are tied to: other names, concepts said to be the same, and what is broader at any height."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from dissect.store import schema
from dissect.store.words import cut

CHUNK = 5_000
"""Numbers in a query: SQLite binds at most 32,766."""


@dataclass
class Ties:
    """names: concept -> its name, then its synonyms. same, broader: concept -> concepts it is tied to directly."""

    names: dict[int, tuple[str, ...]] = field(default_factory=dict)
    same: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    broader: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    _texts: dict[tuple[int, bool], tuple[str, ...]] = field(default_factory=dict)

    def alike(self, concept: int) -> set[int]:
        """The concept and all that are said to be the same, directly or over others."""
        return _reached({concept}, self.same)

    def above(self, concept: int) -> set[int]:
        """All that is broader, at any height; what is the same as the concept is left out."""
        alike = self.alike(concept)
        return _reached(alike, self.same, self.broader) - alike

    def other_names(self, concept: int) -> tuple[str, ...]:
        """Synonyms, and every name of what is the same, as cut texts."""
        return self._kept(concept, broad=False)

    def broad_names(self, concept: int) -> tuple[str, ...]:
        """Every name of what is broader, as cut texts."""
        return self._kept(concept, broad=True)

    def _kept(self, concept: int, *, broad: bool) -> tuple[str, ...]:
        if (concept, broad) not in self._texts:
            found = self.above(concept) if broad else self.alike(concept)
            texts = [cut(name) for one in sorted(found) for name in self.names.get(one, ())]
            self._texts[concept, broad] = tuple(dict.fromkeys(texts))
        return self._texts[concept, broad]


def ties(connection: Connection, concepts: Iterable[int]) -> Ties:
    """Everything that some concepts are, or are under: their names and how they hang together."""
    found, edge = Ties(), schema.concept_edge
    frontier = set(concepts)
    while frontier:
        _read_names(connection, found, frontier)
        met: set[int] = set()
        for here in (edge.c.source_id, edge.c.target_id):
            for row in _in_chunks(connection, select(edge), here, sorted(frontier)):
                met |= _read_edge(found, row, here.name)
        frontier = met - set(found.names)
    return found


def below(connection: Connection, concepts: Iterable[int]) -> set[int]:
    """The concepts, all that is narrower at any depth, and all that is the same as one of those."""
    edge = schema.concept_edge
    found: set[int] = set()
    frontier = set(concepts)
    while frontier:
        found |= frontier
        met: set[int] = set()
        for row in _in_chunks(connection, select(edge), edge.c.target_id, sorted(frontier)):
            met.add(row.source_id)
        for row in _in_chunks(connection, select(edge).where(edge.c.kind != "broader"), edge.c.source_id, sorted(frontier)):
            met.add(row.target_id)
        frontier = met - found
    return found


def _read_names(connection: Connection, into: Ties, concepts: set[int]) -> None:
    table = schema.concept
    for row in _in_chunks(connection, select(table.c.id, table.c.name, table.c.synonyms), table.c.id, sorted(concepts)):
        into.names[row.id] = (row.name, *row.synonyms)


def _read_edge(into: Ties, row: Any, from_column: str) -> set[int]:
    """Enter one edge. Returns the concepts that it leads to, upwards or to what is the same."""
    if row.kind != "broader":
        into.same[row.source_id].add(row.target_id)
        into.same[row.target_id].add(row.source_id)
        return {row.source_id, row.target_id}
    if from_column == "source_id":
        into.broader[row.source_id].add(row.target_id)
        return {row.target_id}
    return set()


def _in_chunks(connection: Connection, query: Any, column: Any, numbers: Sequence[int]) -> Iterable[Any]:
    for start in range(0, len(numbers), CHUNK):
        yield from connection.execute(query.where(column.in_(numbers[start : start + CHUNK])))


def _reached(start: set[int], *steps: Mapping[int, set[int]]) -> set[int]:
    found, frontier = set(start), set(start)
    while frontier:
        frontier = {following for one in frontier for step in steps for following in step.get(one, ())} - found
        found |= frontier
    return found
