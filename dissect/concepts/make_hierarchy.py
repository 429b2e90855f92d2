"""Makes the hierarchy of everyday names that ships with the program, from WordNet and lists of class names.

python -m dissect.concepts.make_hierarchy DICT --imagenet FILE --names FILE [FILE ...] --words FILE -o datasets/hierarchy/wordnet.csv

Each name gets one sense, so that no chain of the hierarchy passes through two meanings of a word:

imagenet    lines of synonyms, in ImageNet's order: the sense that shares most of them; the first 398 classes are animals
names       class names of annotated data sets: HINTS first, then the most frequent sense that can be seen; `wheat field`, which WordNet
            does not know, is under `field`, and `mosque-outdoor` under `mosque`
words       words that a caption may hold: only where the most frequent sense can be seen, and the word is a noun rather than a verb

A name that two lists use for different things (`crane` the bird, `crane` the machine) is left out, with those in LEFT_OUT. Of the synsets
above, those too general to search for go, and those that gather nothing.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dissect.atomic import write_text
from dissect.concepts.wordnet import FILES, WordNet, read_wordnet

ANIMALS = 398
"""How many classes of ImageNet, from the first, are animals."""
_GENERAL = """
    entity, physical entity, object, whole, living thing, organism, abstraction, matter, substance, causal agent, thing, unit, part,
    artifact, instrumentality, attribute, measure, relation, group, psychological feature, event, act, region, area, point, line, way,
    chordate, placental, vertebrate, covering, cell, material, solid, fluid, external body part, process, state, content,
    communication, cognition, commodity, consumer goods, facility, device, implement, creation, product, natural object, geological
    formation, causal agency, extremity, organ, amniote, synapsid, craniate, eutherian, phenomenon, natural phenomenon, physical
    phenomenon, shape, form, layer, sheet, section, piece, opening, enclosure, support, fixture, mechanism, conveyance, system,
    partition, obstruction, passage, establishment, protective covering, protection, restraint, supporting structure, framework,
    decoration, attachment, connection, fastener, vascular plant, spermatophyte, angiosperm, dicot, woody plant, nutriment, foodstuff,
    starches, unfortunate, adult, worker, leader, expert, contestant, communicator, capitalist, unpleasant person, bad person, good
    person, adventurer, lover, preserver
"""
GENERAL = frozenset(" ".join(_GENERAL.split()).split(", "))
"""Kinds that nobody searches for: everything is under them."""
HINTS: Mapping[str, str] = {
    "plant": "top", "hip": "body part", "palm": "tree", "mouse": "device", "keyboard": "device", "light": "device",
    "lamp": "furnishing", "glass": "container", "bank": "depository", "orange": "fruit", "chest": "furniture", "bar": "room",
    "monitor": "display", "cabinet": "furniture", "plate": "tableware", "boot": "footwear", "tank": "container",
    "range": "kitchen appliance", "base": "support", "trunk": "plant organ", "counter": "table", "screen": "display",
    "player": "person", "bus": "conveyance", "coach": "conveyance", "train": "conveyance", "truck": "conveyance", "boat": "conveyance",
    "ship": "conveyance", "plane": "aircraft", "van": "conveyance", "remote": "device", "fan": "device", "bat": "club",
    "seal": "animal", "jaguar": "animal", "bass": "animal", "turkey": "bird", "hen": "bird", "duck": "bird", "kite": "plaything",
    "tie": "clothing", "stove": "appliance", "court": "area", "stage": "platform", "ground": "object", "person": "top", "man": "person",
    "woman": "person", "child": "person", "kid": "person", "fly": "animal", "chicken": "bird", "fish": "animal", "lamb": "animal",
    "bear": "animal", "cow": "animal", "cup": "container", "bowl": "container", "pot": "container", "pitcher": "container",
    "jar": "container", "nail": "fastener", "pool": "facility", "watch": "timepiece", "mirror": "device", "coat": "garment",
    "dress": "garment", "shirt": "garment", "jacket": "garment", "skirt": "garment", "hat": "clothing", "cap": "clothing",
    "flower": "plant", "hand": "body part", "foot": "body part", "arm": "body part", "leg": "body part", "head": "body part",
    "face": "body part", "eye": "body part", "ear": "body part", "nose": "body part", "mouth": "body part", "hair": "body part",
    "animal": "top", "food": "food", "peacock": "bird", "ottoman": "furniture", "banana": "edible fruit", "broccoli": "vegetable",
    "cake": "baked goods", "hammer": "tool", "jean": "trouser",
}  # fmt: skip
"""Name -> a word that must stand above the sense that is meant in pictures, or the lexicographer file it must be in."""
COLOURS = ("black", "blue", "brown", "green", "grey", "gray", "pink", "purple", "red", "white", "yellow")
LEFT_OUT = frozenset(
    (*COLOURS, "a", "crane", "may", "mac", "pet", "will", "can", "in", "at", "be", "as", "no", "so", "it", "us", "or", "do", "go", "he")
)
MANUAL = (
    ("tvmonitor", "television"), ("pottedplant", "plant"), ("potted plant", "plant"), ("diningtable", "table"), ("nutrient", "food"),
    ("public transport", "vehicle"), ("jean", "clothing"),
    ("motorbike", "motor vehicle"),
    ("aeroplane", "aircraft"), ("railroad train", "train"), ("apparel", "clothing"), ("person", "people"), ("animal", "animals"),
)  # fmt: skip
"""What WordNet does not know, in the words of the data sets."""
CUT = frozenset((("wheeled vehicle", "container"),))
"""What WordNet says and nobody means."""

Pair = tuple[str, str]


@dataclass
class Maker:
    """chosen: name -> the sense it has; None where lists disagree. heads: a name WordNet does not know -> its last words, which it does."""

    wordnet: WordNet
    chosen: dict[str, str | None] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)

    def choose(self, name: str, sense: str) -> None:
        """Give a name a sense; a name that has another already gets none."""
        name = name.lower()
        if name not in LEFT_OUT:
            self.chosen[name] = sense if self.chosen.get(name, sense) == sense else None

    def add_imagenet(self, lines: Sequence[str]) -> None:
        """Each class by the sense that shares most of its synonyms."""
        for place, line in enumerate(lines):
            names = [name.strip() for name in line.split(",")]
            preferred = ("animal",) if place < ANIMALS else ("artifact", "object", "food", "plant", "person")
            sense = self._most_shared(names, preferred)
            for name in names:
                first = self.wordnet.senses.get(name.lower(), ())[:1] == (sense,)
                if sense and (name == names[0] or first) and self._fits(name.lower(), sense):
                    self.choose(name, sense)

    def _most_shared(self, names: Sequence[str], preferred: Sequence[str]) -> str | None:
        lower = {name.lower() for name in names}
        senses = {sense for name in lower for sense in self.wordnet.senses.get(name, ())}
        synsets = [self.wordnet.synsets[sense] for sense in senses]
        fitting = [one for one in synsets if one.file in preferred and one.above and self._fits(names[0].lower(), one.number)]
        if not fitting:
            return None
        ranks = [self.wordnet.senses.get(name, ()) for name in lower]
        order = {one.number: min((rank.index(one.number) for rank in ranks if one.number in rank), default=0) for one in fitting}
        shared = {one.number: len(lower & {word.lower() for word in one.words}) for one in fitting}
        return min(fitting, key=lambda one: (-shared[one.number], order[one.number], one.number)).number

    def _fits(self, name: str, sense: str) -> bool:
        """Whether a sense is the one that a hint asks for; any is where there is no hint."""
        hint, synset = HINTS.get(name), self.wordnet.synsets[sense]
        return hint in (None, synset.file) or any(hint in self.wordnet.synsets[up].words for up in self.wordnet.over(sense))

    def add_names(self, names: Iterable[str]) -> None:
        """Class names of data sets."""
        for name in names:
            plain = name.lower().replace("_", " ")
            if plain in self.chosen or plain in LEFT_OUT or plain.endswith("-c"):
                continue
            sense = self._seen(plain)
            if sense:
                self.choose(plain, sense)
            elif plain not in self.wordnet.senses:
                self._add_head(plain)

    def _add_head(self, name: str) -> None:
        """`mosque-outdoor` is a mosque, `wheat field` a field."""
        parts = name.rpartition("-")[0].split() if "-" in name else name.split()[1:]
        while parts:
            head = " ".join(parts)
            sense = self.chosen.get(head) or self._seen(head)
            if sense and head not in LEFT_OUT:
                self.choose(head, sense)
                self.heads[name] = head
                return
            parts = parts[1:]

    def _seen(self, name: str) -> str | None:
        senses = [self.wordnet.synsets[sense] for sense in self.wordnet.senses.get(name, ()) if self._fits(name, sense)]
        return next((one.number for one in senses if one.file in FILES and one.above), None)

    def add_words(self, words: Iterable[str]) -> None:
        """Words of captions whose usual meaning can be seen."""
        for word in words:
            senses = self.wordnet.senses.get(word, ())
            usual = word in HINTS or (
                senses
                and self.wordnet.synsets[senses[0]].above
                and self.wordnet.synsets[senses[0]].file in FILES
                and word not in self.wordnet.others
            )
            if len(word) > 2 and usual and word not in self.chosen and (sense := self._seen(word)):
                self.choose(word, sense)

    def pairs(self) -> list[Pair]:
        """(narrower, broader) of all names, each with the nearest names above it that gather something."""
        named = {name: sense for name, sense in self.chosen.items() if sense is not None}
        names = self._names(named)
        kept = self._kept(set(named.values()), names)
        found = {(name, names[up]) for name, sense in named.items() for up in self._nearest(sense, kept, names.get(sense) != name)}
        waiting = {up for sense in named.values() for up in self._nearest(sense, kept, True)}
        seen: set[str] = set()
        while waiting:
            sense = waiting.pop()
            seen.add(sense)
            above = self._nearest(sense, kept, False)
            found |= {(names[sense], names[up]) for up in above}
            waiting |= set(above) - seen
        found |= set(self.heads.items())
        return sorted(pair for pair in {*found, *MANUAL} if pair[0] != pair[1] and pair not in CUT)

    def _names(self, named: Mapping[str, str]) -> dict[str, str]:
        """Sense -> the name it goes by: a word that does not mean something else here."""
        senses = {up for sense in named.values() for up in (sense, *self.wordnet.over(sense))}
        found = {}
        for sense in senses:
            words = [word.lower() for word in self.wordnet.synsets[sense].words]
            free = [word for word in words if self.chosen.get(word, sense) == sense and word not in LEFT_OUT]
            if free:
                found[sense] = free[0]
        taken: dict[str, str] = {}
        for sense in sorted(found, key=lambda one: (self.chosen.get(found[one]) != one, self._rank(found[one], one), one)):
            taken.setdefault(found[sense], sense)
        return {sense: name for sense, name in found.items() if taken[name] == sense}

    def _rank(self, name: str, sense: str) -> int:
        senses = self.wordnet.senses.get(name, ())
        return senses.index(sense) if sense in senses else len(senses)

    def _kept(self, leaves: set[str], names: Mapping[str, str]) -> set[str]:
        """Senses to keep above the leaves: not general, and gathering two things that nothing between gathers."""
        below: dict[str, set[str]] = defaultdict(set)
        every = {sense for leaf in leaves for sense in (leaf, *self.wordnet.over(leaf))}
        for sense in every:
            for up in self.wordnet.synsets[sense].above:
                below[up].add(sense)
        return {sense for sense in every if names.get(sense, "entity") not in GENERAL and (sense in leaves or len(below[sense]) > 1)}

    def _nearest(self, sense: str, kept: set[str], itself: bool) -> list[str]:
        if itself and sense in kept:
            return [sense]
        found: list[str] = []
        for up in self.wordnet.synsets[sense].above:
            found += self._nearest(up, kept, True)
        return list(dict.fromkeys(found))


def main() -> None:
    """Write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dict", type=Path)
    parser.add_argument("--imagenet", type=Path, required=True)
    parser.add_argument("--names", type=Path, nargs="+", default=[])
    parser.add_argument("--words", type=Path, nargs="*", default=[])
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    maker = Maker(read_wordnet(options.dict))
    maker.add_imagenet(options.imagenet.read_text(encoding="utf-8").splitlines())
    for path in options.names:
        maker.add_names(name.strip() for line in path.read_text(encoding="utf-8").splitlines() for name in line.split(",") if name.strip())
    for path in options.words:
        maker.add_words(path.read_text(encoding="utf-8").split())
    pairs = maker.pairs()
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([("narrower", "broader", "kind"), *((*pair, "is_a") for pair in pairs)])
    write_text(options.output, buffer.getvalue())
    ambiguous = sorted(name for name, sense in maker.chosen.items() if sense is None)
    print(f"{len(pairs)} pairs, {len({name for name, _ in pairs})} names; left out as ambiguous: {', '.join(ambiguous) or 'none'}")


if __name__ == "__main__":
    main()
