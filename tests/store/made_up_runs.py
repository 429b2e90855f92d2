"""Small, made-up contents for a store: a network, a data set with a hierarchy, a run with labels of three kinds."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

from sqlalchemy import update

from dissect.store import (
    CheckpointRecord,
    ConceptEdge,
    ConceptEntry,
    ConceptScore,
    DatasetRecord,
    DetectorSummary,
    ExemplarEntry,
    ImageEntry,
    LabelEntry,
    LayerRecord,
    LayerResult,
    ModelRecord,
    RunRecord,
    RunSpec,
    StatsEntry,
    Store,
    UnitResult,
    schema,
)
from dissect.store.database import writing

CONCEPTS = (
    ConceptEntry("car", "object", "7", ("automobile", "motor-car")),
    ConceptEntry("dog", "object", "8"),
    ConceptEntry("terrier", "object", "9"),
    ConceptEntry("carpet", "material", "10", ("rug",)),
    ConceptEntry("striped_wheel", "part", "11"),
    ConceptEntry("red-c", "color", "12"),
    ConceptEntry("", "color", "0"),
)
EDGES = (ConceptEdge(("object", "terrier"), ("object", "dog")),)
IMAGES = 20
MASK = zlib.compress(bytes(8))


@dataclass(frozen=True)
class World:
    """Ids of what was saved."""

    model_id: int
    checkpoint_id: int
    dataset_id: int


def save_world(store: Store, *, model: str = "tiny", data: str = "streets", images: int = IMAGES) -> World:
    """A model with one checkpoint, and a data set with images and concepts."""
    model_id = store.save_model(ModelRecord(model, "factory", "MIT", {"layers": ["conv1"]}))
    checkpoint_id = store.save_checkpoint(model_id, CheckpointRecord("a" * 64, "b" * 64, "weights.pt", 10, {"dtype": "float32"}))
    dataset_id = store.save_dataset(DatasetRecord(data, f"hash of {data}", "words", "masks", images))
    store.save_images(dataset_id, (ImageEntry(index, f"train/{index}.png", f"{index:064x}", (64, 48), "video") for index in range(images)))
    store.save_concepts("words", CONCEPTS, EDGES)
    return World(model_id, checkpoint_id, dataset_id)


def spec(world: World, fingerprint: str = "f" * 64, **changes: object) -> RunSpec:
    """What a run of this world is."""
    plain = RunSpec(fingerprint, world.checkpoint_id, world.dataset_id, ("netdissect",), settings={"q": 0.005}, versions={"torch": "2.10"})
    return replace(plain, **changes)  # type: ignore[arg-type]


def concept_label(name: str, category: str, score: float | None, **changes: object) -> LabelEntry:
    """A label of kind concept."""
    plain = LabelEntry(
        name, category=category, score=score, intersection=10, unit_area=20, concept_area=30, reachable=0.5,
        detector=score is not None and score > 0.04, concepts=(((category, name), 1),),
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def unit(index: int, *labels: LabelEntry, exemplars: int = 3, **stats: object) -> UnitResult:
    """One unit with two top concepts."""
    scores = (ConceptScore(("object", "car"), 1, 0.2, 1, 2, 3, 0.4), ConceptScore(("object", "dog"), 2, 0.1, 1, 2, 3, 0.4))
    images = tuple(ExemplarEntry((index + rank) % IMAGES, rank, 5.0 - rank, MASK, (8, 8)) for rank in range(1, exemplars + 1))
    plain = StatsEntry(0.5, "ok", 0.0, 4.0, 0.1, 0.005, 12, None, (5, 2), (0.0, 1.0, 2.0))
    return UnitResult(index, replace(plain, **stats), labels, scores, images)  # type: ignore[arg-type]


def small_layer(name: str = "conv1", position: int = 0, aliases: tuple[str, ...] = ("features.0",)) -> LayerResult:
    """Six units: car (with formula and description), terrier, carpet, striped_wheel, red below the limit, and a dead one."""
    formula = LabelEntry(
        "(car OR dog) AND NOT carpet", "formula", "compositional", score=0.3, length=3, formula="(1 OR 2) AND NOT 4",
        concepts=((("object", "car"), 1), (("object", "dog"), 1), (("material", "carpet"), -1)), certificate="optimal",
    )  # fmt: skip
    text = LabelEntry("rear windows of parked cars", "description", "milan", score=2.1, score_kind="pmi", q=0.002, p=0.001)
    units = (
        unit(0, concept_label("car", "object", 0.25), formula, text),
        unit(1, concept_label("terrier", "object", 0.15)),
        unit(2, concept_label("carpet", "material", 0.10)),
        unit(3, concept_label("striped_wheel", "part", 0.10)),
        unit(4, concept_label("red-c", "color", 0.01)),
        unit(5, exemplars=0, state="dead", threshold=float("nan")),
    )
    by_category = {"object": {"car": 1, "terrier": 1}, "material": {"carpet": 1}, "part": {"striped_wheel": 1}}
    layer = LayerRecord(name, 6, position, (7, 7), "conv", False, aliases)
    return LayerResult(layer, units, DetectorSummary(0.04, 4, 4, 4, by_category), "e" * 64, "float16", (32, 32), IMAGES)


def save_run(store: Store, fingerprint: str = "f" * 64, **changes: object) -> RunRecord:
    """A finished run with one small layer."""
    run = store.begin_run(spec(save_world(store), fingerprint, **changes))
    store.write_layer(run.id, small_layer())
    return store.finish_run(run.id)


def undo(store: Store, run_id: int) -> None:
    """Make a finished run one that failed: no part of the program does that."""
    with writing(store.engine) as connection:
        connection.execute(update(schema.run).where(schema.run.c.id == run_id).values(state="failed"))
