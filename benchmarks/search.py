"""Search over 200,000 made-up labels on both databases: how long everyday questions take, beside a scan with LIKE in the same process.

python -m benchmarks.search [--models 20] [--layers 5] [--units 2000] [--repeats 15] [--postgres URL] [--keep FOLDER]

Labels are drawn with Zipf's frequencies from the names of the hierarchy that ships: half are concepts, a quarter formulas, a quarter
descriptions; each unit has four top concepts for its neighbours. URL names a PostgreSQL database: an empty one, or one that this filled.
Exits 1 if a database's 95th percentile over all questions is above 100 ms.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from benchmarks.common import check, leave, machine
from dissect.concepts.hierarchy import shipped_broader, shipped_hierarchy
from dissect.pipeline.hierarchy import tied
from dissect.store import (
    CheckpointRecord,
    ConceptEntry,
    ConceptScore,
    DatasetRecord,
    LabelEntry,
    LayerRecord,
    LayerResult,
    ModelRecord,
    RunSpec,
    StatsEntry,
    Store,
    UnitFilter,
    UnitResult,
)

CATEGORIES = ("object", "part", "scene", "material", "texture", "color")
PATTERNS = ("{0} in the background", "the edge of a {0}", "{0} and {1}", "red {0}", "parked {0} near a {1}", "textures like {0}")
FLOOR = 100.0
Ask = Callable[[Store], object]


@dataclass(frozen=True)
class World:
    """What is generated. keys: (category, name), the most frequent first; weights: how often each is drawn."""

    keys: Sequence[tuple[str, str]]
    weights: Sequence[float]

    def draw(self, dice: random.Random, count: int) -> list[tuple[str, str]]:
        return dice.choices(self.keys, cum_weights=self.weights, k=count)


def make_world() -> World:
    """The names of the shipped hierarchy in a random order with the frequencies of Zipf; everyday ones first."""
    dice = random.Random(1)
    names = sorted(shipped_hierarchy())
    dice.shuffle(names)
    usual = ["car", "tree", "person", "dog", "wheel", "building", "chair", "bird", "table", "cat", "terrier", "bus", "flower", "house"]
    names = [*usual, *(name for name in names if name not in usual)]
    total, weights = 0.0, []
    for rank in range(1, len(names) + 1):
        total += 1 / rank**0.8
        weights.append(total)
    return World([(dice.choice(CATEGORIES), name) for name in names], weights)


def fill(store: Store, world: World, models: int, layers: int, units: int) -> None:
    """Write the networks, one run each."""
    grouping, edges = tied(world.keys, shipped_broader(name for _, name in world.keys))
    store.save_concepts("words", [*(ConceptEntry(name, category) for category, name in world.keys), *grouping], edges)
    data = store.save_dataset(DatasetRecord("everyday", "d" * 64, "words", images=0))
    for model in range(models):
        number = store.save_model(ModelRecord(f"network-{model:02d}"))
        checkpoint = store.save_checkpoint(number, CheckpointRecord(f"{model:064x}"))
        run = store.begin_run(RunSpec(f"{model:064x}", checkpoint, data))
        if run.found == "done":
            continue
        for position in range(layers):
            dice = random.Random(model * 1_000 + position)
            results = [draw_unit(dice, world, index) for index in range(units)]
            store.write_layer(run.id, LayerResult(LayerRecord(f"layer{position}", units, position), results))
        store.finish_run(run.id)


def draw_unit(dice: random.Random, world: World, index: int) -> UnitResult:
    keys = list(dict.fromkeys(world.draw(dice, 4)))
    scores = [ConceptScore(key, rank, dice.random() / (5 * rank)) for rank, key in enumerate(keys, start=1)]
    return UnitResult(index, StatsEntry(threshold=1.0), (draw_label(dice, keys),), tuple(scores))


def draw_label(dice: random.Random, keys: Sequence[tuple[str, str]]) -> LabelEntry:
    kind, score = dice.random(), round(dice.random() ** 3 / 2, 4)
    (category, name), (_, other) = keys[0], keys[-1]
    q = dice.choice((None, 0.01, 0.2))
    if kind < 0.5:
        return LabelEntry(name, category=category, score=score, detector=score > 0.04, concepts=((keys[0], 1),), q=q)
    if kind < 0.75:
        sign = dice.choice((1, -1))
        return LabelEntry(
            f"{name} {'OR' if sign == 1 else 'AND NOT'} {other}", "formula", "compositional", score=score, q=q,
            concepts=((keys[0], 1), (keys[-1], sign)),
        )  # fmt: skip
    return LabelEntry(dice.choice(PATTERNS).format(name, other), "description", "milan", score=score * 10, score_kind="pmi")


def questions(store: Store) -> dict[str, Ask]:
    """Everyday questions. Deep pages begin in the middle of a long list."""
    middle = store.search("car", limit=1_500, exemplars=0)[-1].cursor
    listed = store.units(limit=5_000, exemplars=0)[-1].cursor
    newest, strict = UnitFilter(newest=True), UnitFilter(max_q=0.05, min_iou=0.04)

    def search(words: str, filters: UnitFilter = newest, **more: object) -> Ask:
        return lambda store: store.search(words, filters, limit=20, exemplars=5, **more)  # type: ignore[arg-type]

    return {
        "a common word: car": search("car"),
        "two words: parked car": search("parked car"),
        "a rare word: accordion": search("accordion"),
        "a word that is nowhere": search("zzyzx"),
        "narrower: dog": search("dog"),
        "narrower, many: animal": search("animal"),
        "narrower, most: vehicle OR person OR animal": search("vehicle OR person OR animal"),
        "off: dog without narrower": search("dog", UnitFilter(newest=True, narrower=False)),
        "excluded: car -wheel": search("car -wheel"),
        "a phrase": search('"red car"'),
        "a beginning: ca*": search("ca*"),
        "filter: car, one network": search("car", UnitFilter(model="network-07")),
        "filter: animal, one layer, category object": search("animal", UnitFilter(layer="layer3", category="object")),
        "filter: animal, q and IoU": search("animal", strict),
        "filter: formulas with dog": search("dog", UnitFilter(kind="formula")),
        "uses: NOT wheel": lambda store: store.units(UnitFilter(uses=("NOT wheel",)), limit=20),
        "by concept: bird": lambda store: store.units(UnitFilter(q="bird"), order="concept", limit=20),
        "deep page of car": search("car", UnitFilter(), after=middle),
        "back from there": search("car", UnitFilter(), before=middle),
        "no words: best of all": lambda store: store.units(newest, limit=20),
        "no words: deep page": lambda store: store.units(limit=20, after=listed),
        "no words: detectors of a category": lambda store: store.units(UnitFilter(category="texture", detectors=True), limit=20),
        "facets: car": lambda store: store.facets(UnitFilter(q="car")),
        "facets: animal": lambda store: store.facets(UnitFilter(q="animal")),
        "neighbours of a unit": lambda store: store.neighbours(store.unit("network-03", "layer2", 77)),
    }


def scan(word: str) -> Ask:
    """The words of every label looked through with LIKE, and sorted."""
    query = text("SELECT id, run_id, unit_id FROM label WHERE rank = 1 AND words LIKE :word ORDER BY score DESC, id LIMIT 20")

    def ask(store: Store) -> object:
        with store.engine.connect() as connection:
            return connection.execute(query, {"word": f"% {word} %"}).all()

    return ask


def timed(store: Store, ask: Ask, repeats: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each of `repeats` times, after one that does not count: by the clock, and of this process's processors."""
    ask(store)
    clock, own = [], []
    for _ in range(repeats):
        began, worked = time.perf_counter(), time.process_time()
        ask(store)
        clock.append((time.perf_counter() - began) * 1000)
        own.append((time.process_time() - worked) * 1000)
    return clock, own


def percentile(values: Sequence[float]) -> float:
    """The 95th."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def measure(store: Store, repeats: int) -> float:
    """Print a line for each question. Returns the 95th percentile over all of them."""
    every: list[float] = []
    worked: list[float] = []
    print(f"{'p50':>8} {'p95':>8} {'own p50':>8}  question")
    for name, ask in questions(store).items():
        clock, own = timed(store, ask, repeats)
        every += clock
        worked += own
        _line(name, clock, own)
    for word in ("car", "accordion"):
        _line(f"(scan with LIKE: {word}, no filter, nothing narrower, no details)", *timed(store, scan(word), max(repeats // 3, 3)))
    print(f"p95 of this process's own processor time: {percentile(worked):.1f} ms (all of the work on SQLite)")
    return percentile(every)


def _line(name: str, clock: Sequence[float], own: Sequence[float]) -> None:
    print(f"{statistics.median(clock):8.1f} {percentile(clock):8.1f} {statistics.median(own):8.1f}  {name}", flush=True)


@contextlib.contextmanager
def stores(folder: Path, postgres: str | None) -> Iterator[list[Store]]:
    """A SQLite store in the folder, and the one in PostgreSQL if it is named."""
    urls = [f"sqlite:///{folder / 'search.db'}", *([postgres] if postgres else [])]
    with contextlib.ExitStack() as held:
        yield [held.enter_context(Store.open(url)) for url in urls]


def main() -> None:
    """Generate, measure, and compare with the floor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("models", 20), ("layers", 5), ("units", 2_000), ("repeats", 15)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--postgres", metavar="URL")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    print(machine())
    world, held = make_world(), []
    with tempfile.TemporaryDirectory() as folder, stores(options.keep or Path(folder), options.postgres) as found:
        for store in found:
            began = time.perf_counter()
            fill(store, world, options.models, options.layers, options.units)
            if store.engine.dialect.name == "postgresql":  # as its own upkeep does within a minute or two
                with store.engine.begin() as connection:
                    connection.exec_driver_sql("ANALYZE")
            counts = store.counts()
            print(f"\n{store.engine.dialect.name}: {counts['label']:,} labels in {time.perf_counter() - began:.0f} s; milliseconds:")
            held.append(
                check(f"{store.engine.dialect.name}: p95 over all questions, ms", measure(store, options.repeats), FLOOR, at_most=True)
            )
    leave(held)


if __name__ == "__main__":
    main()
