"""Which concepts of a data set a description names, so that what it says can be looked up in the label maps.

A description is cut into tokens and read from left to right; the longest run of tokens that is a *term* names what the term stands for:

    a concept's name or synonym      car; "street lamp"; kitchen and "kitchen scene" of kitchen-s; red of red-c
    a name that ends in the term     tree names tree, palm tree and pine tree; lamp names lamp and street lamp
    a broader name                   vehicle names all that the hierarchy puts below it
    another word for one of these    people, wooden, stripes, bike (`FURTHER`)

Each term gives one group of alternatives; the description holds at a pixel where every group has a member that holds there ("wheels of
red cars": wheel and red and car). Plurals are read as their singulars, unless the plural is a term of its own (glasses are no glass).
All other words are passed over: they can be neither confirmed nor refuted by label maps. A description without any term is *unmapped*.
A scene's bare name is a term only if no other concept has it (mountain is the object, "mountain scene" the scene).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dissect.caption.tokens import split
from dissect.concepts.hierarchy import closure
from dissect.concepts.model import Concept, Vocabulary

Named = tuple[frozenset[int], ...]
"""Groups of concept numbers: a description holds where each group has a member that holds."""
Term = tuple[str, ...]

FURTHER: Mapping[str, tuple[str, ...]] = {
    "person": ("people", "human", "man", "men", "woman", "women", "child", "children"),
    "foliage": ("leaf", "leaves", "leafy"),
    "wood": ("wooden",),
    "metal": ("metallic",),
    "glass": ("glassy",),
    "leather": ("leathery",),
    "sand": ("sandy",),
    "stone": ("stony",),
    "fabric": ("cloth", "textile"),
    "striped": ("stripe",),
    "dotted": ("dot", "polka dot"),
    "checkered": ("checked", "checker", "checkerboard", "chequered"),
    "zigzagged": ("zigzag",),
    "wavy": ("wave",),
    "woven": ("weave",),
    "cracked": ("crack",),
    "bubbly": ("bubble",),
    "spiralled": ("spiral", "spiraled"),
    "grey": ("gray",),
    "bicycle": ("bike",),
    "car": ("automobile",),
    "sofa": ("couch",),
    "refrigerator": ("fridge",),
    "windowpane": ("window pane",),
    "screen": ("monitor",),
    "night city": ("night", "night scene"),
    "outdoor scene": ("outdoors", "outdoor"),
    "indoor scene": ("indoors", "indoor"),
    "patterned": ("pattern",),
    "facial part": ("facial feature",),
    "crown": ("treetop", "tree top"),
}
"""A term, and other words for it; of no effect where the data set does not have the term."""
SUFFIXES: Mapping[str, str] = {"scene": "-s", "color": "-c"}
"""How Broden marks the names of a category."""


class Naming:
    """The terms of a vocabulary. `named` reads a description with them."""

    def __init__(self, vocabulary: Vocabulary, further: Mapping[str, Sequence[str]] = FURTHER) -> None:
        self.vocabulary = vocabulary
        self._terms = _terms(vocabulary)
        for target, words in further.items():
            if (found := self._lookup(tuple(split(target)))) is not None:
                for word in words:
                    self._terms.setdefault(tuple(split(word)), found)
        self._longest = max((len(term) for term in self._terms), default=0)

    def named(self, text: str) -> Named:
        """What a description names, in the order of its words, each group once; empty if it is unmapped."""
        tokens, groups, place = split(text), dict[frozenset[int], None](), 0
        while place < len(tokens):
            length, found = self._longest_at(tokens, place)
            if found is not None:
                groups[found] = None
            place += length
        return tuple(groups)

    def _longest_at(self, tokens: Sequence[str], place: int) -> tuple[int, frozenset[int] | None]:
        for length in range(min(self._longest, len(tokens) - place), 0, -1):
            if (found := self._lookup(tuple(tokens[place : place + length]))) is not None:
                return length, found
        return 1, None

    def _lookup(self, term: Term) -> frozenset[int] | None:
        for last in (term[-1], *singulars(term[-1])):
            if (found := self._terms.get((*term[:-1], last))) is not None:
                return found
        return None


def singulars(word: str) -> tuple[str, ...]:
    """What an English plural may be the plural of, the likeliest first; nothing for a word without a plural's ending."""
    if not word.endswith("s") or word.endswith("ss") or len(word) < 4:
        return ()
    if word.endswith("ies"):
        return (word[:-3] + "y", word[:-1])
    if word.endswith(("ves",)):
        return (word[:-1], word[:-3] + "f", word[:-3] + "fe")
    return (word[:-1], word[:-2]) if word.endswith("es") else (word[:-1],)


def _terms(vocabulary: Vocabulary) -> dict[Term, frozenset[int]]:
    own: dict[Term, set[int]] = {}
    for concept in vocabulary.concepts:
        if "scene" not in concept.categories:
            for term in _names(concept):
                own.setdefault(term, set()).add(concept.index)
    for concept in vocabulary.concepts:
        if "scene" in concept.categories:
            for term in _names(concept):
                own.setdefault((*term, "scene"), set()).add(concept.index)
    bare: dict[Term, set[int]] = {}
    for concept in vocabulary.concepts:
        if "scene" in concept.categories:
            for term in _names(concept):
                if term not in own:
                    bare.setdefault(term, set()).add(concept.index)
    terms = {term: frozenset(numbers) for term, numbers in (own | bare).items()}
    return _broader(vocabulary, terms) | _with_endings(terms)


def _names(concept: Concept) -> Iterable[Term]:
    for name in (concept.name, *concept.synonyms):
        plain = name.replace("_", " ")
        for category, suffix in SUFFIXES.items():
            plain = plain.removesuffix(suffix) if category in concept.categories else plain
        if tokens := tuple(split(plain)):
            yield tokens


def _with_endings(terms: Mapping[Term, frozenset[int]]) -> dict[Term, frozenset[int]]:
    """Each term with what longer terms that end in it stand for."""
    joined = {term: set(numbers) for term, numbers in terms.items()}
    for term, numbers in terms.items():
        for first in range(1, len(term)):
            if term[first:] in joined:
                joined[term[first:]] |= numbers
    return {term: frozenset(numbers) for term, numbers in joined.items()}


def _broader(vocabulary: Vocabulary, terms: Mapping[Term, frozenset[int]]) -> dict[Term, frozenset[int]]:
    """Broader names that are no concept's own."""
    numbers = {concept.name: concept.index for concept in vocabulary.concepts}
    found: dict[Term, frozenset[int]] = {}
    for name in dict.fromkeys(broad for _, broad in vocabulary.broader):
        term = tuple(split(name.replace("_", " ")))
        below = frozenset(numbers[each] for each in closure(vocabulary.broader, name) if each in numbers)
        if term not in terms and below:
            found[term] = below
    return found
