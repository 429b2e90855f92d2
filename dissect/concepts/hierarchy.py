"""Which concept is narrower than which: `narrower,broader[,kind]` in a CSV."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dissect.concepts.tables import read_csv
from dissect.errors import DataError
from dissect.paths import shipped

KINDS = ("is_a", "part_of")
"""`is_a` (the default): a car is a vehicle. `part_of`: a wheel is part of a car. Both narrow a search; neither may run in a circle."""

Pair = tuple[str, str]
_WORD = re.compile(r"[^\W_]+")


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


@functools.cache
def shipped_hierarchy() -> Mapping[str, tuple[str, ...]]:
    """What ships with the program (`datasets/hierarchy/`): name, folded -> the names directly above it. Sources are stated there.

    Raises:
        NotFoundError: the installation is incomplete.
    """
    found: dict[str, dict[str, None]] = {}
    for path in sorted((shipped("datasets") / "hierarchy").glob("*.csv")):
        for narrow, broad in read_hierarchy(path).broader:
            if _folded(narrow) != _folded(broad):
                found.setdefault(_folded(narrow), {})[broad] = None
    return {name: tuple(above) for name, above in found.items()}


def shipped_broader(names: Iterable[str]) -> tuple[Pair, ...]:
    """(narrower, broader) pairs of the shipped hierarchy for some names and for all that stands above them, without a circle.

    A name is found in any case, with `_` or `-` as blanks; of a name that lists synonyms (`Samoyed, Samoyede`) the first that is known
    counts. Where a name of the list itself stands above another, it is written as in the list.
    """
    known = shipped_hierarchy()
    written: dict[str, str] = {}
    for name in names:
        written.setdefault(_folded(name), name)
    pairs: dict[Pair, None] = {}
    waiting = [(name, key) for name in written.values() if (key := _known(name, known)) is not None]
    seen: set[Pair] = set()
    while waiting:
        name, key = waiting.pop()
        if (name, key) in seen:
            continue
        seen.add((name, key))
        for broad in known[key]:
            above = written.get(_folded(broad), broad)
            if above != name:
                pairs[name, above] = None
            if _folded(broad) in known:
                waiting.append((above, _folded(broad)))
    return tuple(pairs)


@functools.lru_cache(maxsize=50_000)
def shipped_above(names: tuple[str, ...]) -> tuple[str, ...]:
    """All names above the first of `names` (spellings of one thing) that the shipped hierarchy knows; none where it knows none."""
    known = shipped_hierarchy()
    found: dict[str, None] = {}
    waiting = next(([key] for key in map(_folded, names) if key in known), [])
    while waiting:
        for broad in known.get(waiting.pop(), ()):
            if broad not in found:
                found[broad] = None
                waiting.append(_folded(broad))
    return tuple(found)


def _known(name: str, known: Mapping[str, tuple[str, ...]]) -> str | None:
    for part in (name, *name.split(",")):
        key = _folded(part)
        if key in known:
            return key
    return None


def _folded(name: str) -> str:
    return " ".join(_WORD.findall(name.casefold()))
