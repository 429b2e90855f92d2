"""A published table becomes a run of the database, beside our own: its labels meet theirs on the same units.

The run's fingerprint covers the file's content, its kind, what it was attached to and the rules: importing the same file again does
nothing, another file is another run. What a row violates is entered with it and counted; what cannot be an entry is refused and listed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import dissect
from dissect.concepts.hierarchy import shipped_broader
from dissect.errors import DissectError, UsageError
from dissect.exchange.importers import (
    MOST_UNITS,
    THRESHOLD,
    WITH_LAYERS,
    Imported,
    LayerTable,
    Options,
    Table,
    dataset_of,
    open_table,
    understand,
)
from dissect.fingerprint import Plain, fingerprint
from dissect.pipeline.hierarchy import GROUPS, tied
from dissect.store import LayerMethod, LayerRecord, LayerResult, LayerSummary, RunRecord, RunSpec, Store
from dissect.store.places import PLACEHOLDER

IMPORTING = 1
"""Raised whenever the same table is understood or stored differently."""
METHOD = "import"
"""Of the layer's entry that keeps what the table holds beside labels."""
MOST_LISTED = 1_000
MOST_NAME = 300
MOST_WIDTH = 10_000_000
SCENE, COLOUR = "-s", "-c"
"""How Broden's scenes and colours end."""


@dataclass(frozen=True)
class ImportRequest:
    """What is to be imported.

    kind: of the table, or `auto`. model: the network's name. layer: of a table that does not say; else only this one of it. dataset: name
    of what the labels were made on; None takes what the kind is published with. aliases: the table's name of a layer -> ours.
    threshold, inclusive: a unit is a detector above this IoU, or at it. profile: rules the table was made by; None: `imported`, or what
    the kind implies. units: how many units each layer has; None: as the database or the table says. checkpoint_of: a run whose weights
    the table is about.
    """

    path: Path
    kind: str = "auto"
    model: str | None = None
    layer: str | None = None
    dataset: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    threshold: float = THRESHOLD
    inclusive: bool = False
    profile: str | None = None
    units: int | None = None
    checkpoint_of: str | None = None

    def __post_init__(self) -> None:
        if self.model is None and self.checkpoint_of is None:
            raise UsageError("which network is the table about? Name it with --model, or a run of it with --checkpoint-of.")
        named = {"--model": self.model, "--layer": self.layer, "--dataset": self.dataset, "--profile": self.profile}
        for option, name in [*named.items(), *(("--alias", each) for pair in self.aliases.items() for each in pair)]:
            if name is not None and not 0 < len(name.strip()) <= MOST_NAME:
                raise UsageError(f"{option} is {name[:40]!r}. Give a name of 1 to {MOST_NAME} characters.")
        if not 0 <= self.threshold < 1:
            raise UsageError(f"--threshold is {self.threshold}. Give an IoU from 0 to below 1; 0.04 is usual.")
        if self.units is not None and not 1 <= self.units <= MOST_WIDTH:
            raise UsageError(f"--units is {self.units}. Give how many units the layer has, 1 to {MOST_WIDTH:,}.")


@dataclass(frozen=True)
class ImportOutcome:
    """What came of it. table: as it was understood. repeated: the run was there already."""

    run: RunRecord
    layers: tuple[LayerSummary, ...]
    table: Imported
    file: str
    repeated: bool

    def lines(self) -> list[str]:
        """For a person: the run, its layers, what was violated and refused."""
        table, run = self.table, self.run
        was = ", was there already" if self.repeated else ""
        out = [f"run {run.id}: {table.kind} table {self.file}, {table.units:,} units of {run.model} on {run.dataset}{was}"]
        there = {layer.name: len(layer.units) for layer in table.layers}
        for summary, rows in zip(self.layers, there.values(), strict=False):
            found = "" if summary.detectors is None else f", {summary.detectors:,} detectors of {summary.unique:,} concepts"
            out.append(f"  {summary.layer}: {rows:,} of {summary.units:,} units{found}")
        if table.violations:
            out.append(f"  {len(table.violations):,} violations of what the method promises, entered as they stand:")
            out += [f"    {_place(each.line, each.layer, each.unit)}{each.text}" for each in table.violations[:MOST_LISTED]]
        if table.refused:
            out.append(f"  {len(table.refused):,} rows were left out:")
            out += [f"    line {each.line}: {each.reason}" for each in table.refused[:MOST_LISTED]]
        return out

    def as_plain(self) -> dict[str, object]:
        """For a program."""
        table = self.table
        return {
            "run": self.run.id, "fingerprint": self.run.fingerprint, "kind": table.kind, "file": self.file, "model": self.run.model,
            "data": self.run.dataset, "repeated": self.repeated, "rows": table.rows, "units": table.units,
            "layers": [
                {"layer": each.layer, "units": each.units, "detectors": each.detectors, "unique": each.unique} for each in self.layers
            ],
            "violations": [
                {"line": each.line, "layer": each.layer, "unit": each.unit, "text": each.text} for each in table.violations
            ],
            "refused": [{"line": each.line, "reason": each.reason} for each in table.refused],
        }  # fmt: skip


def _place(line: int, layer: str, unit: int | None) -> str:
    where = [f"line {line}"] if line else []
    return ", ".join([*where, f"{layer}{'' if unit is None else f'/{unit}'}"]) + ": "


@dataclass(frozen=True)
class _Target:
    """Where the rows go. real: the checkpoint's weights are known, and so its layers' widths."""

    checkpoint_id: int
    weights: str
    layers: tuple[LayerRecord, ...]
    real: bool

    def find(self, name: str) -> LayerRecord | None:
        """A layer by name, else by alias."""
        exact = next((layer for layer in self.layers if layer.name == name), None)
        return exact or next((layer for layer in self.layers if name in layer.aliases), None)


def import_table(store: Store, request: ImportRequest) -> ImportOutcome:
    """Read a table and write it as a run.

    Raises:
        NotFoundError: no such file or run. DataError: the file is no table of its kind, or has no usable row.
        UsageError: the network or the layer is not said, or names do not go together.
    """
    kind, table = open_table(request.kind, request.path)
    target = _target(store, request)
    dataset = request.dataset or dataset_of(kind)
    ours = _names(request, target)
    options = Options(
        _their_layer(request, kind), request.threshold, request.inclusive, _width(request, target, ours), _category_of(store, dataset)
    )
    found = understand(kind, request.path, table, options)
    named = {layer.name: ours(layer.name) for layer in found.layers}
    _check_names(request, named)
    spec = _spec(store, request, target, found, dataset, table, named)
    record = store.begin_run(spec)
    repeated = record.state == "done"
    if not repeated:
        _write(store, request, target, record, found, named)
        record = store.finish_run(record.id)
    summaries = {each.layer: each for each in store.layers(record.id)}
    return ImportOutcome(record, tuple(summaries[name] for name in named.values()), found, table.name, repeated)


def _target(store: Store, request: ImportRequest) -> _Target:
    if request.checkpoint_of is None:
        number, weights = store.placeholder_checkpoint(str(request.model))
        return _Target(number, weights, store.checkpoint_layers(number), False)
    run = store.run(request.checkpoint_of)
    if request.model is not None and request.model != run.model:
        raise UsageError(f"run {run.id} is of {run.model}, not of {request.model}. Leave --model out, or name a run of {request.model}.")
    real = not run.weights_hash.startswith(PLACEHOLDER)
    return _Target(run.checkpoint_id, run.weights_hash, store.checkpoint_layers(run.checkpoint_id), real)


def _their_layer(request: ImportRequest, kind: str) -> str | None:
    """--layer by the table's own name, where the table has names."""
    if request.layer is None or kind not in WITH_LAYERS:
        return request.layer
    return next((theirs for theirs, mine in request.aliases.items() if mine == request.layer), request.layer)


def _names(request: ImportRequest, target: _Target) -> Callable[[str], str]:
    """The table's name of a layer -> ours: as told, else as the checkpoint has it, by name or alias, else as it stands."""

    def ours(theirs: str) -> str:
        name = request.aliases.get(theirs, theirs)
        known = target.find(name)
        return known.name if known else name

    return ours


def _width(request: ImportRequest, target: _Target, ours: Callable[[str], str]) -> Callable[[str], int]:
    """How many units a layer may have: what the network has, else what was said, else a bound against slips."""
    widths = {layer.name: layer.units for layer in target.layers} if target.real else {}
    return lambda theirs: widths.get(ours(theirs), request.units or MOST_UNITS)


def _category_of(store: Store, dataset: str) -> Callable[[str], str]:
    """A concept's category where the vocabulary has just one of that name, or its ending tells."""
    found: dict[str, set[str]] = {}
    for concept in store.concepts(vocabulary=dataset):
        if concept.category:
            found.setdefault(concept.name, set()).add(concept.category)
    single = {name: next(iter(categories)) for name, categories in found.items() if len(categories) == 1}
    ending = {SCENE: "scene", COLOUR: "color"} if dataset == "broden" else {}
    return lambda name: single.get(name, ending.get(name[-2:], ""))


def _check_names(request: ImportRequest, named: Mapping[str, str]) -> None:
    twice = sorted(name for name in set(named.values()) if list(named.values()).count(name) > 1)
    if twice:
        theirs = ", ".join(name for name, mine in named.items() if mine == twice[0])
        raise UsageError(f"layers {theirs} of the table would all be {twice[0]}. Give each its own name with --alias.")
    for theirs, mine in request.aliases.items():
        if theirs not in named and mine not in named.values():
            raise UsageError(f"--alias {theirs}={mine} names no layer of the table. Its layers: {', '.join(list(named)[:20])}.")


def _spec(
    store: Store, request: ImportRequest, target: _Target, found: Imported, dataset: str, table: Table, named: Mapping[str, str]
) -> RunSpec:  # fmt: skip
    dataset_id, content = store.placeholder_dataset(dataset, found.label_kind)
    profile = request.profile or found.profile
    rules: dict[str, Plain] = {
        "threshold": request.threshold, "inclusive": request.inclusive, "profile": profile, "layers": dict(named), "width": request.units,
    }  # fmt: skip
    whole: dict[str, Plain] = {
        "importing": IMPORTING, "kind": found.kind, "file": table.sha256, "weights": target.weights, "data": content, "rules": rules,
    }  # fmt: skip
    about: dict[str, Plain] = {
        "kind": found.kind, "file": table.name, "sha256": table.sha256, "rows": found.rows, "units": found.units,
        "violations": len(found.violations), "refused": len(found.refused), **rules,
    }  # fmt: skip
    return RunSpec(
        fingerprint(whole), target.checkpoint_id, dataset_id, (found.kind,), profile, found.quantile, settings={"import": about},
        versions={"dissect": dissect.__version__},
    )  # fmt: skip


def _write(
    store: Store, request: ImportRequest, target: _Target, record: RunRecord, found: Imported, named: Mapping[str, str]
) -> None:  # fmt: skip
    try:
        known = {(concept.category, concept.name) for concept in store.concepts(vocabulary=record.vocabulary)}
        new = [entry for entry in found.concepts if (entry.category, entry.name) not in known]
        keys = [*sorted(known, key=lambda key: key[0] == GROUPS), *((entry.category, entry.name) for entry in new)]
        grouping, edges = tied(keys, shipped_broader(name for category, name in keys if category != GROUPS))
        store.save_concepts(record.vocabulary, [*new, *grouping], edges)
        for place, layer in enumerate(found.layers):
            row = _layer_record(request, target, layer, named, place, len(found.layers))
            store.write_layer(record.id, LayerResult(row, layer.units, layer.summary))
            store.write_formulas(record.id, _entry(record, row.name, layer, found, place == 0), (), ())
    except KeyboardInterrupt:
        store.fail_run(record.id, "interrupted", interrupted=True)
        raise
    except DissectError as error:
        store.fail_run(record.id, str(error))
        raise


def _layer_record(
    request: ImportRequest, target: _Target, layer: LayerTable, named: Mapping[str, str], place: int, of: int
) -> LayerRecord:  # fmt: skip
    """The layer as the database has it, as wide as what is known of it, with the table's own name as an alias.

    Layers stand in the order of a table that has several; what comes alone stands behind those that are there.
    """
    name = named[layer.name]
    known = target.find(name)
    width = max(layer.units[-1].index + 1 if layer.units else 0, request.units or 0)
    aliases = {theirs for theirs, mine in (*request.aliases.items(), *named.items()) if mine == name and theirs != name}
    if known is None:
        return LayerRecord(name, width, place if of > 1 else len(target.layers), aliases=tuple(sorted(aliases)))
    position = known.position if target.real or of == 1 else place
    return LayerRecord(
        name, known.units if target.real else max(width, known.units), position, known.map_size, known.form, known.signed,
        tuple(sorted(aliases | set(known.aliases))),
    )  # fmt: skip


def _entry(record: RunRecord, name: str, layer: LayerTable, found: Imported, first: bool) -> LayerMethod:
    """What the table holds beside labels: its columns, what no column of the database takes, and what was wrong with it."""
    mine = [each for each in found.violations if each.layer == layer.name]
    summary: dict[str, Plain] = {
        "kind": found.kind, "columns": list(found.columns), "kept": dict(layer.kept), "violated": len(mine),
        "violations": [[each.line, each.unit, each.text] for each in mine[:MOST_LISTED]],
        "refused": [[each.line, each.reason] for each in found.refused[:MOST_LISTED]] if first else [],
    }  # fmt: skip
    return LayerMethod(name, METHOD, record.fingerprint, {"theirs": layer.name}, summary)
