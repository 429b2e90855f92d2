"""The store: one object through which everything else reads and writes the database.

    store = Store.open("sqlite:///dissect.db")
    run = store.begin_run(spec)
    store.write_layer(run.id, result)
    store.finish_run(run.id)
    store.unit("tiny-darknet", "conv14", 305).label
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from dissect.store.records import (
    CheckpointRecord,
    ConceptEdge,
    ConceptEntry,
    DatasetRecord,
    ImageEntry,
    LayerRecord,
    LayerResult,
    ModelRecord,
    RunSpec,
)
from dissect.store.views import (
    CacheStage,
    ConceptView,
    LayerSummary,
    RunRecord,
    SkippedView,
    StageProgress,
    UnitFilter,
    UnitView,
)

if TYPE_CHECKING:
    from dissect.store.ledger import SqlLedger


class Store:
    """An open database. Safe to use from several threads; one process writes at a time, others wait for it."""

    @classmethod
    def open(cls, url: str, *, create: bool = True) -> Store:
        """Open the database at a SQLAlchemy URL (`sqlite:///file`, `postgresql://user@host/name`).

        A new (empty) database gets its tables, unless `create` is False.

        Raises:
            UsageError: the URL is malformed or names another kind of database.
            NotFoundError: there is no database, and `create` is False.
            SchemaError: the database is older than this program; it needs `dissect db upgrade`.
            StoreError: it cannot be opened, is damaged, is no database of ours, or is newer than this program.
            MissingExtraError: PostgreSQL without its driver.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close every connection."""
        raise NotImplementedError

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The database's address with its password hidden."""
        raise NotImplementedError

    def save_model(self, model: ModelRecord) -> int:
        """Make a network known, or bring its row up to date. Returns its id."""
        raise NotImplementedError

    def save_checkpoint(self, model_id: int, checkpoint: CheckpointRecord) -> int:
        """Make one set of weights known, or bring its row up to date. Returns its id."""
        raise NotImplementedError

    def save_layer(self, checkpoint_id: int, layer: LayerRecord) -> int:
        """Make a layer, its units and its aliases known. Returns the layer's id. `write_layer` does this itself."""
        raise NotImplementedError

    def save_dataset(self, dataset: DatasetRecord) -> int:
        """Make a data set known by its content hash. Returns its id."""
        raise NotImplementedError

    def save_images(self, dataset_id: int, images: Iterable[ImageEntry]) -> None:
        """Make images known by their index; what was unknown of a known image (size, sha256) is filled in."""
        raise NotImplementedError

    def save_concepts(self, vocabulary: str, concepts: Sequence[ConceptEntry], edges: Sequence[ConceptEdge] = ()) -> None:
        """Make the concepts of a vocabulary known by (category, name), with synonyms and ties between them."""
        raise NotImplementedError

    def begin_run(self, spec: RunSpec) -> RunRecord:
        """Begin a run, or take up the one with the same fingerprint.

        `found` of the answer is None for a new run, else the state it was met in. A run that is `done` stays so: there is nothing to
        do. Any other becomes `running`.
        """
        raise NotImplementedError

    def finish_run(self, run_id: int) -> RunRecord:
        """Mark a run as done."""
        raise NotImplementedError

    def fail_run(self, run_id: int, message: str, *, interrupted: bool = False) -> RunRecord:
        """Mark a run as failed (or interrupted), with the reason. It can be begun again."""
        raise NotImplementedError

    def runs(
        self, *, model: str | None = None, dataset: str | None = None, state: str | None = None, method: str | None = None, limit: int = 100
    ) -> list[RunRecord]:
        """Runs, newest first."""
        raise NotImplementedError

    def run(self, reference: int | str) -> RunRecord:
        """One run by number, by the beginning of its fingerprint (4 digits or more), or "latest".

        Raises:
            NotFoundError: there is none, or several begin so; the message lists what there is.
        """
        raise NotImplementedError

    def delete_run(self, run_id: int) -> list[CacheStage]:
        """Delete a run, its rows, and the stages that no other run uses. Returns those: their cache folders can go."""
        raise NotImplementedError

    def write_layer(self, run_id: int, result: LayerResult) -> None:
        """Write one layer of a run in one transaction; what the run held of this layer before is replaced.

        Raises:
            NotFoundError: no such run.
            StoreError: a concept or an image is unknown (save them first), or a unit index is out of range.
        """
        raise NotImplementedError

    def write_skipped(self, run_id: int, skipped: Iterable[tuple[str, str]]) -> None:
        """Replace the list of (key, reason) of images that this run left out."""
        raise NotImplementedError

    def ledger(self, run_id: int | None = None, *, lease_seconds: float = 1800.0, clock: Callable[[], float] | None = None) -> SqlLedger:
        """The queue of shards; stages it opens belong to the run. `clock` replaces the database's clock (seconds since 1970)."""
        raise NotImplementedError

    def skipped(self, run_id: int) -> list[SkippedView]:
        """Images that a run left out, by key."""
        raise NotImplementedError

    def progress(self, run_id: int) -> list[StageProgress]:
        """How far each stage of a run is."""
        raise NotImplementedError

    def layers(self, run_id: int) -> list[LayerSummary]:
        """The layers of a run in order of computation, each in numbers."""
        raise NotImplementedError

    def layer_summary(self, run_id: int, layer: str) -> LayerSummary:
        """One layer of a run (by name or alias) in numbers; `NotFoundError` lists the layers there are."""
        raise NotImplementedError

    def units(
        self, filters: UnitFilter | None = None, *, order: str = "score", limit: int = 50, after: str | None = None, exemplars: int = 5
    ) -> list[UnitView]:
        """Units that pass the filters, each with its labels, top concepts, statistics and its best `exemplars`.

        order: `score` (best first), `index`, `concept` or `category`. after: the cursor of the last unit of the page before.
        """
        raise NotImplementedError

    def unit(
        self, model: str | None, layer: str, index: int, *, run: int | str | None = None, exemplars: int = 15
    ) -> UnitView:
        """One unit, in the given run, or in the newest run that has this model and layer.

        Raises:
            NotFoundError: no such run, model, layer (near names are listed) or unit.
        """
        raise NotImplementedError

    def search(
        self, text: str, filters: UnitFilter | None = None, *, limit: int = 50, after: str | None = None, exemplars: int = 5
    ) -> list[UnitView]:
        """Units whose labels hold every word of `text` (in any case, with plural; also by synonym or broader concept), best score first.

        A word that ends in `*` stands for all words that begin so. No other sign has a meaning.
        """
        raise NotImplementedError

    def concepts(self, *, vocabulary: str | None = None, category: str | None = None, run: int | str | None = None) -> list[ConceptView]:
        """Concepts by category and name, each with the number of detector units that carry it."""
        raise NotImplementedError

    def counts(self) -> dict[str, int]:
        """Number of rows of every table."""
        raise NotImplementedError


def redacted(url: str) -> str:
    """A database URL as it may be shown: without its password."""
    raise NotImplementedError
