"""Which concept is narrower than which: `narrower,broader[,kind]` in a CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dissect.concepts.tables import read_csv
from dissect.errors import DataError

KINDS = ("is_a", "part_of")
"""`is_a` (the default): a car is a vehicle. `part_of`: a wheel is part of a car. Both narrow a search; neither may run in a circle."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Hierarchy:
    """Pairs (narrower, broader) without circles, and the kind of each."""

    broader: tuple[Pair, ...]
    kinds: Mapping[Pair, str]

    def narrower(self, name: str) -> frozenset[str]:
        """Everything below `name`, at any depth; not `name` itself."""
        return closure(self.broader, name)


def closure(broader: Iterable[Pair], name: str) -> frozenset[str]:
    """All names from which a chain of (narrower, broader) pairs leads to `name`; `name` itself is left out."""
    below: dict[str, list[str]] = {}
    for narrow, broad in broader:
        below.setdefault(broad, []).append(narrow)
    found: set[str] = set()
    waiting = list(below.get(name, ()))
    while waiting:
        item = waiting.pop()
        if item not in found:
            found.add(item)
            waiting.extend(below.get(item, ()))
    return frozenset(found - {name})


def read_hierarchy(path: Path) -> Hierarchy:
    """Read a hierarchy; a pair written twice counts once.

    Raises:
        NotFoundError: no such file.
        DataError: a column is missing, a name is empty, a kind is unknown, or the pairs run in a circle (which is shown).
    """
    kinds: dict[Pair, str] = {}
    for number, row in read_csv(path, ("narrower", "broader")):
        pair = (row["narrower"].strip(), row["broader"].strip())
        kind = row.get("kind", "").strip() or KINDS[0]
        if not all(pair):
            raise DataError(f"{path}, line {number}: a name is empty. Fill it in or remove the line.")
        if kind not in KINDS:
            raise DataError(f"{path}, line {number}: kind {kind!r} is not one of {', '.join(KINDS)}.")
        kinds[pair] = kind
    circle = find_circle(kinds)
    if circle:
        raise DataError(f"{path}: {' < '.join(circle)} runs in a circle. Remove one of these lines.")
    return Hierarchy(tuple(kinds), kinds)


def find_circle(pairs: Iterable[Pair]) -> list[str]:
    """A chain of names, each narrower than the next, that ends where it began; [] if there is none."""
    above: dict[str, list[str]] = {}
    for narrow, broad in pairs:
        above.setdefault(narrow, []).append(broad)
    done: set[str] = set()
    for start in above:
        chain, branches = [start], [iter(above[start])]
        while branches:
            following = next(branches[-1], None)
            if following is None:
                branches.pop()
                done.add(chain.pop())
            elif following in chain:
                return [*chain[chain.index(following) :], following]
            elif following not in done:
                chain.append(following)
                branches.append(iter(above.get(following, ())))
    return []
