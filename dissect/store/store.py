"""The store: one object through which everything else reads and writes the database.

store = Store.open("sqlite:///dissect.db")
run = store.begin_run(spec)
store.write_layer(run.id, result)
store.finish_run(run.id)
store.unit("tiny-darknet", "conv14", 305).label
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from dissect.audit.finding import AuditReport
from dissect.errors import NotFoundError
from dissect.store import (
    ablations,
    audits,
    facets,
    formulas,
    headlines,
    layers,
    listing,
    neighbours,
    places,
    results,
    revisions,
    runs,
    schema_version,
    units,
    verification,
    write,
)
from dissect.store.database import guarded, make_engine, make_folder, parse_url, reading, shown, sqlite_file, together, writing
from dissect.store.facets import MOST_LABELS
from dissect.store.records import (
    AblationEntry,
    CheckpointRecord,
    ConceptEdge,
    ConceptEntry,
    DatasetRecord,
    FormulaResult,
    ImageEntry,
    LayerMethod,
    LayerRecord,
    LayerResult,
    ModelRecord,
    RunSpec,
    VerifiedLabel,
)
from dissect.store.views import (
    AblationView,
    AuditRecord,
    CacheStage,
    ConceptView,
    Facets,
    FindingFilter,
    FindingView,
    HeadlineView,
    LabelTests,
    LayerSummary,
    NeighbourView,
    RunRecord,
    RunSize,
    SkippedView,
    StageProgress,
    StageUse,
    UnitFilter,
    UnitView,
)

if TYPE_CHECKING:
    from dissect.store.job_records import JobClaim
    from dissect.store.jobs import JobQueue
    from dissect.store.ledger import SqlLedger
    from dissect.store.registry import Registry
    from dissect.store.review_book import ReviewBook
    from dissect.store.tokens import TokenBook


class Store:
    """An open database. Safe to use from several threads; one process writes at a time, others wait for it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str, *, create: bool = True, query_seconds: float | None = None) -> Store:
        """Open the database at a SQLAlchemy URL (`sqlite:///file`, `postgresql://user@host/name`).

        A new (empty) database gets its tables, unless `create` is False. query_seconds: a question that takes longer is given up with
        `TooSlowError`.

        Raises:
            UsageError: the URL is malformed or names another kind of database.
            NotFoundError: there is no database, and `create` is False.
            SchemaError: the database is older than this program; it needs `dissect db upgrade`.
            StoreError: it cannot be opened, is damaged, is no database of ours, or is newer than this program.
            MissingExtraError: PostgreSQL without its driver.
        """
        address = parse_url(url)
        engine = make_engine(address, query_seconds)
        try:
            _prepare(engine, create)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def together(self) -> AbstractContextManager[None]:
        """All questions that this thread asks inside are answered from one state of the database. Nothing may be written there."""
        return together(self._engine)

    @property
    def url(self) -> str:
        """The database's address with its password hidden."""
        return shown(self._engine.url)

    def save_model(self, model: ModelRecord) -> int:
        """Make a network known, or bring its row up to date. Returns its id."""
        with writing(self._engine) as connection:
            return write.save_model(connection, model)

    def save_checkpoint(self, model_id: int, checkpoint: CheckpointRecord) -> int:
        """Make one set of weights known, or bring its row up to date. Returns its id."""
        with writing(self._engine) as connection:
            return write.save_checkpoint(connection, model_id, checkpoint)

    def placeholder_checkpoint(self, model: str) -> tuple[int, str]:
        """(id, weights hash) of the checkpoint that imported results of a network hang on while nobody has seen its weights."""
        with writing(self._engine) as connection:
            return places.placeholder_checkpoint(connection, model)

    def placeholder_dataset(self, name: str, label_kind: str) -> tuple[int, str]:
        """(id, content hash) of a data set that is known by name alone."""
        with writing(self._engine) as connection:
            return places.placeholder_dataset(connection, name, label_kind)

    def checkpoint_layers(self, checkpoint_id: int) -> tuple[LayerRecord, ...]:
        """The layers of a checkpoint, in order, with their aliases."""
        with reading(self._engine) as connection:
            return places.checkpoint_layers(connection, checkpoint_id)

    def save_layer(self, checkpoint_id: int, layer: LayerRecord) -> int:
        """Make a layer, its units and its aliases known. Returns the layer's id. `write_layer` does this itself."""
        with writing(self._engine) as connection:
            return write.save_layer(connection, checkpoint_id, layer)

    def save_dataset(self, dataset: DatasetRecord) -> int:
        """Make a data set known by its content hash. Returns its id."""
        with writing(self._engine) as connection:
            return write.save_dataset(connection, dataset)

    def save_images(self, dataset_id: int, images: Iterable[ImageEntry]) -> None:
        """Make images known by their index; what was unknown of a known image (size, sha256) is filled in."""
        with writing(self._engine) as connection:
            write.save_images(connection, dataset_id, images)

    def save_concepts(self, vocabulary: str, concepts: Sequence[ConceptEntry], edges: Sequence[ConceptEdge] = ()) -> None:
        """Make the concepts of a vocabulary known by (category, name), with synonyms and ties between them."""
        with writing(self._engine) as connection:
            write.save_concepts(connection, vocabulary, concepts, edges)

    def begin_run(self, spec: RunSpec) -> RunRecord:
        """Begin a run, or take up the one with the same fingerprint.

        `found` of the answer is None for a new run, else the state it was met in. A run that is `done` stays so: there is nothing to
        do. Any other becomes `running`.
        """
        with writing(self._engine) as connection:
            return runs.begin(connection, spec)

    def finish_run(self, run_id: int) -> RunRecord:
        """Mark a run as done."""
        with writing(self._engine) as connection:
            return runs.end(connection, run_id, "done")

    def fail_run(self, run_id: int, message: str, *, interrupted: bool = False) -> RunRecord:
        """Mark a run as failed (or interrupted), with the reason. It can be begun again."""
        with writing(self._engine) as connection:
            return runs.end(connection, run_id, "interrupted" if interrupted else "failed", message)

    def runs(
        self, *, model: str | None = None, dataset: str | None = None, state: str | None = None, method: str | None = None, limit: int = 100
    ) -> list[RunRecord]:
        """Runs, newest first."""
        with reading(self._engine) as connection:
            return runs.listed(connection, model, dataset, state, method, limit)

    def run(self, reference: int | str) -> RunRecord:
        """One run by number, by the beginning of its fingerprint (4 digits or more), or "latest".

        Raises:
            NotFoundError: there is none, or several begin so; the message lists what there is.
        """
        with reading(self._engine) as connection:
            return runs.find(connection, reference)

    def delete_run(self, run_id: int) -> list[CacheStage]:
        """Delete a run, its rows, and the stages that no other run uses. Returns those: their cache folders can go."""
        with writing(self._engine) as connection:
            return runs.delete_run(connection, run_id)

    def write_layer(self, run_id: int, result: LayerResult) -> None:
        """Write one layer of a run in one transaction; what the run held of this layer before is replaced.

        Raises:
            NotFoundError: no such run.
            StoreError: a concept or an image is unknown (save them first), or a unit index is out of range.
        """
        with writing(self._engine) as connection:
            results.write_layer(connection, run_id, result)

    def write_formulas(self, run_id: int, done: LayerMethod, results: Sequence[FormulaResult], methods: tuple[str, ...]) -> None:
        """Write what a later method found in one layer, in one transaction; labels of `methods` that the layer had are replaced.

        Raises:
            NotFoundError: no such run, or the run does not have this layer.
            StoreError: a label is of a method that is not in `methods`, a mask has no label or no size, or a unit or a concept is unknown.
        """
        with writing(self._engine) as connection:
            formulas.write_formulas(connection, run_id, done, results, methods)

    def write_verification(self, run_id: int, done: LayerMethod, results: Sequence[VerifiedLabel]) -> None:
        """Enter what tests say of a layer's labels, in one transaction; an earlier verification of the layer is replaced.

        Raises:
            NotFoundError: no such run, or the run does not have this layer.
            StoreError: a unit has no label of that method.
        """
        with writing(self._engine) as connection:
            verification.write_verification(connection, run_id, done, results)

    def layer_methods(self, run_id: int) -> list[LayerMethod]:
        """Which later methods are done for which layers of a run. Scoring a layer again takes its methods away with their labels."""
        with reading(self._engine) as connection:
            return formulas.layer_methods(connection, run_id)

    def write_audit(self, run_id: int, fingerprint: str, report: AuditReport) -> AuditRecord:
        """Write an audit of a run; one with the same fingerprint (of its settings) is replaced and keeps its number.

        Raises:
            NotFoundError: no such run.
            StoreError: a finding names a unit that the run does not have.
        """
        with writing(self._engine) as connection:
            return audits.write_audit(connection, run_id, fingerprint, report)

    def audits(self, run: int | str | None = None) -> list[AuditRecord]:
        """Audits, newest first; of one run if it is named."""
        with reading(self._engine) as connection:
            return audits.audits(connection, run)

    def audit(self, number: int) -> tuple[AuditRecord, AuditReport]:
        """One audit by number, with its report as it was written; `NotFoundError` lists those there are."""
        with reading(self._engine) as connection:
            return audits.audit(connection, number)

    def findings(self, filters: FindingFilter | None = None) -> list[FindingView]:
        """Findings of all audits that pass the filters, newest audit first."""
        with reading(self._engine) as connection:
            return audits.findings(connection, filters or FindingFilter())

    def write_ablations(self, run_id: int, layer: str, entries: Sequence[AblationEntry]) -> None:
        """Add effects of switching units off to a layer of a run; those of the same units, concept and way are replaced.

        Raises:
            NotFoundError: no such run, or the run does not have this layer. StoreError: a unit or a concept is unknown.
        """
        with writing(self._engine) as connection:
            ablations.write_ablations(connection, run_id, layer, entries)

    def ablations(self, run_id: int, layer: str | None = None) -> list[AblationView]:
        """Effects of switching units off, of one layer or of all."""
        with reading(self._engine) as connection:
            return ablations.ablations(connection, run_id, layer)

    def write_skipped(self, run_id: int, skipped: Iterable[tuple[str, str]]) -> None:
        """Replace the list of (key, reason) of images that this run left out."""
        with writing(self._engine) as connection:
            runs.write_skipped(connection, run_id, skipped)

    def ledger(self, run_id: int | None = None, *, lease_seconds: float = 1800.0, clock: Callable[[], float] | None = None) -> SqlLedger:
        """The queue of shards; stages it opens belong to the run. `clock` replaces the database's clock (seconds since 1970)."""
        from dissect.store.ledger import SqlLedger

        return SqlLedger(self._engine, run_id, lease_seconds=lease_seconds, clock=clock)

    def jobs(self, *, lease_seconds: float = 120.0, clock: Callable[[], float] | None = None) -> JobQueue:
        """The queue of jobs. `clock` replaces the database's clock (seconds since 1970)."""
        from dissect.store.jobs import JobQueue

        return JobQueue(self._engine, lease_seconds=lease_seconds, clock=clock)

    def held(self, queue: JobQueue, claim: JobClaim) -> Store:
        """This store for who works on a job: nothing is written once another worker has the job (`LeaseLostError`). Needs no closing."""
        return Store(guarded(self._engine, queue.guard(claim)))

    def registry(self) -> Registry:
        """Networks and data sets that a job may name."""
        from dissect.store.registry import Registry

        return Registry(self._engine)

    def tokens(self) -> TokenBook:
        """Who may write over HTTP."""
        from dissect.store.tokens import TokenBook

        return TokenBook(self._engine)

    def reviews(self) -> ReviewBook:
        """What people say of labels."""
        from dissect.store.review_book import ReviewBook

        return ReviewBook(self._engine)

    def skipped(self, run_id: int) -> list[SkippedView]:
        """Images that a run left out, by key."""
        with reading(self._engine) as connection:
            return runs.skipped(connection, run_id)

    def progress(self, run_id: int) -> list[StageProgress]:
        """How far each stage of a run is."""
        with reading(self._engine) as connection:
            return runs.progress(connection, run_id)

    def stage_uses(self) -> dict[str, StageUse]:
        """Fingerprint of every stage of every run -> the layer, networks, data sets and runs it belongs to."""
        with reading(self._engine) as connection:
            return runs.stage_uses(connection)

    def layers(self, run_id: int) -> list[LayerSummary]:
        """The layers of a run in order of computation, each in numbers."""
        with reading(self._engine) as connection:
            return layers.layers(connection, run_id)

    def layer_summary(self, run_id: int, layer: str) -> LayerSummary:
        """One layer of a run (by name or alias) in numbers; `NotFoundError` lists the layers there are."""
        with reading(self._engine) as connection:
            return layers.layer_summary(connection, run_id, layer)

    def run_sizes(self, run_ids: Sequence[int]) -> dict[int, RunSize]:
        """Run -> how many units it looked at and labelled."""
        with reading(self._engine) as connection:
            return layers.run_sizes(connection, run_ids)

    def label_tests(self, run_id: int, layer: str, chance: float) -> LabelTests:
        """Of a layer's detectors: how many labels were tested, and how many of those have a q above `chance`; the layer's best score."""
        with reading(self._engine) as connection:
            return layers.label_tests(connection, run_id, layer, chance)

    def units(
        self,
        filters: UnitFilter | None = None,
        *,
        order: str = "score",
        limit: int = 50,
        after: str | None = None,
        before: str | None = None,
        exemplars: int = 5,
    ) -> list[UnitView]:
        """Units that pass the filters, each with its labels, top concepts, statistics and its best `exemplars`.

        order: `score` (best first), `index`, `concept` or `category`. after: the cursor of the last unit of the page before; before: that
        of the first unit of the page behind, for going back.
        """
        filters = filters or UnitFilter()
        page = units.page(order, limit, after, before, exemplars, filters.q)
        with reading(self._engine) as connection:
            return units.units(connection, filters, page)

    def headlines(self, run_id: int, layer: str, method: str | None = None) -> list[HeadlineView]:
        """Every unit of a layer of a run with its headline, or with its first label of a method; by index."""
        with reading(self._engine) as connection:
            return headlines.headlines(connection, run_id, layer, method)

    def label_methods(self, run_id: int, layer: str) -> list[str]:
        """Methods whose labels a layer of a run has, by name."""
        with reading(self._engine) as connection:
            return headlines.methods(connection, run_id, layer)

    def unit(self, model: str | None, layer: str, index: int, *, run: int | str | None = None, exemplars: int = 15) -> UnitView:
        """One unit, in the given run, or in the newest run that has this model and layer.

        Raises:
            NotFoundError: no such run, model, layer (near names are listed) or unit.
        """
        with reading(self._engine) as connection:
            return units.unit(connection, model, layer, index, run, exemplars)

    def search(
        self,
        text: str,
        filters: UnitFilter | None = None,
        *,
        limit: int = 50,
        after: str | None = None,
        before: str | None = None,
        exemplars: int = 5,
    ) -> list[UnitView]:
        """Units whose labels answer a question: all its words in any case, with plural, by synonym, or by what their concepts are under
        (unless `filters.narrower` is False). First those with the words in the label itself, then by synonym, then by a broader concept;
        best score first in each.

        `word*`: all words that begin so. `"two words"`: in a row. `OR`, `NOT` or `-word`, and parentheses, as docs/search.md says.
        """
        filters = replace(filters or UnitFilter(), q=text)
        return self.units(filters, limit=limit, after=after, before=before, exemplars=exemplars)

    def facets(self, filters: UnitFilter | None = None, *, most: int = MOST_LABELS) -> Facets:
        """How many units pass the filters, and how they divide by model, layer, category, method and concept.

        At most `most` labels are looked at, the newest; where more pass, the answer says so (`capped`) and its numbers are "at least".
        """
        with reading(self._engine) as connection:
            return facets.facets(connection, filters or UnitFilter(), most)

    def neighbours(self, unit: UnitView, *, limit: int = 10, elsewhere: bool = True) -> list[NeighbourView]:
        """Units that answer to the same concepts, nearest first; of other layers, runs and networks alone unless `elsewhere` is False.

        As near as the cosine between their scores for their top concepts, by name; `store/neighbours.py` says which units are looked at.
        """
        with reading(self._engine) as connection:
            return neighbours.neighbours(connection, unit, limit, elsewhere)

    def concepts(
        self, *, vocabulary: str | None = None, category: str | None = None, run: int | str | None = None,
        names: Collection[str] | None = None,
    ) -> list[ConceptView]:  # fmt: skip
        """Concepts by category and name, each with the number of detector units that carry it. names: those alone, which is fast."""
        with reading(self._engine) as connection:
            return layers.concepts(connection, vocabulary, category, run, names)

    def concept_names(self, *, category: str | None = None, carried: bool = False) -> list[str]:
        """Names of concepts, each once; carried: only of those that some detector has as its label."""
        with reading(self._engine) as connection:
            return layers.concept_names(connection, category, carried)

    def categories(self) -> list[str]:
        """Categories of concepts, by name."""
        with reading(self._engine) as connection:
            return layers.categories(connection)

    def counts(self) -> dict[str, int]:
        """Number of rows of every table."""
        with reading(self._engine) as connection:
            return revisions.row_counts(connection)

    @property
    def engine(self) -> Engine:
        """The connections, for `dissect db` (migrations, checks, backup)."""
        return self._engine


def connect(url: str) -> Engine:
    """Connections to a database of any schema, for `dissect db upgrade`, `current` and `check`; nothing is created.

    Raises:
        UsageError, MissingExtraError: as `Store.open`.
    """
    return make_engine(parse_url(url))


def _prepare(engine: Engine, create: bool) -> None:
    """Make the tables of a new database; refuse one that this program cannot work with."""
    file = sqlite_file(engine.url)
    if file is not None and not file.exists():
        if not create:
            raise NotFoundError(f"there is no database {file}. `dissect run` or `dissect demo` makes one; --db names another.")
        make_folder(file.parent)
    revision = revisions.current(engine)
    if revision is None and create:
        revision = revisions.upgrade(engine)
    if revision is None:
        raise NotFoundError(f"the database {shown(engine.url)} is empty. `dissect db upgrade` makes its tables.")
    schema_version.check(engine, revision)
    listing.complete(engine)
