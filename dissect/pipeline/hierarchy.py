"""The hierarchy of everyday names on the concepts of a database: what is narrower than what, whichever data set a name comes from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from dissect.concepts.hierarchy import Pair, shipped_broader
from dissect.store import ConceptEdge, ConceptEntry, ConceptKey, Store

GROUPS = ""
"""Category of names that only group others: no data set annotates them."""


def tied(keys: Sequence[ConceptKey], pairs: Iterable[Pair]) -> tuple[list[ConceptEntry], list[ConceptEdge]]:
    """Concepts that are lacking for pairs (narrower, broader) of names, and the pairs as ties between concepts.

    keys: (category, name) of the concepts there are. A name that is in several categories is narrower in each, and broader in the first.
    """
    there: dict[str, list[ConceptKey]] = defaultdict(list)
    for key in keys:
        there[key[1]].append(key)
    known, grouping, edges = set(there), [], []
    for narrow, broad in pairs:
        for name in (narrow, broad):
            if name not in known:
                known.add(name)
                there[name].append((GROUPS, name))
                grouping.append(ConceptEntry(name, GROUPS))
        edges += [ConceptEdge(key, there[broad][0]) for key in there[narrow]]
    return grouping, edges


def apply_hierarchy(store: Store) -> dict[str, int]:
    """Put the hierarchy that ships on every vocabulary of a database; what it has stays. Returns vocabulary -> ties of it."""
    keys: dict[str, list[ConceptKey]] = defaultdict(list)
    for view in store.concepts():
        keys[view.vocabulary].append((view.category, view.name))
    found = {}
    for vocabulary, mine in keys.items():
        mine.sort(key=lambda key: key[0] == GROUPS)
        annotated = [name for category, name in mine if category != GROUPS]
        grouping, edges = tied(mine, shipped_broader(annotated))
        store.save_concepts(vocabulary, grouping, edges)
        found[vocabulary] = len(edges)
    return found
