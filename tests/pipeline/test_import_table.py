"""Published tables as runs: their labels meet on one unit, the same file does nothing twice, and what needs pictures is refused."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import dissect
from dissect.config import Config, resolve
from dissect.errors import NotSupportedError, UsageError
from dissect.exchange.model_card import md, model_card
from dissect.exchange.neuronpedia import export_neuronpedia
from dissect.exchange.published import published_text
from dissect.pipeline.ablate import AblateRequest, ablate_run
from dissect.pipeline.audit import AuditRequest, audit_run
from dissect.pipeline.compose import ComposeRequest, compose_run
from dissect.pipeline.edit import EditRequest, edit_run
from dissect.pipeline.import_table import ImportOutcome, ImportRequest, import_table
from dissect.pipeline.report import FORMS, export_run
from dissect.pipeline.spec import probe_again
from dissect.pipeline.verify import verify_run
from dissect.pipeline.verify_request import VerifyRequest
from dissect.probe.progress import progress_for
from dissect.store import ConceptEntry, Store, UnitFilter
from tests.exchange.hostile import PAYLOADS
from tests.exchange.published_tables import ALL, CLIP_DISSECT, COMPEXP, MILAN, NETDISSECT
from tests.store.made_up_runs import save_run

Importer = Callable[..., ImportOutcome]
SILENT = progress_for(io.StringIO(), quiet=True)
PUBLISHED = "data/published_labels"
UNITS = {  # file -> units, scores above .04, violations: what the published README states
    "resnet18_places365_layer1": (64, 6, 0), "resnet18_places365_layer4": (512, 434, 0), "resnet18_places365_fc": (365, 364, 4),
    "resnet50_imagenet_layer1": (256, 61, 0), "resnet50_imagenet_layer2": (512, 62, 0), "resnet50_imagenet_layer3": (1024, 276, 0),
    "resnet50_imagenet_layer4": (2048, 1355, 0), "resnet50_imagenet_fc": (1000, 983, 13),
}  # fmt: skip
DESCRIBED = {
    "MILAN_results/m_base_resnet18_places365": 1024, "MILAN_results/m_imagenet_resnet18_places365": 1024,
    "MILAN_results/m_base_resnet50_imagenet": 4904, "MILAN_results/m_places365_resnet50_imagenet": 3904,
    "CLIP_Dissect_results/resnet18_places_imagenet_broden": 1024, "CLIP_Dissect_results/resnet50_imagenet_broden": 3904,
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/dissect.db") as opened:
        yield opened


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return resolve({"DISSECT_HOME": str(tmp_path / "home")}, None)


@pytest.fixture
def take(store: Store, tmp_path: Path) -> Importer:
    """Writes a text to a file and imports it for the network `net`."""

    def takes(text: str, name: str = "table.csv", **given: object) -> ImportOutcome:
        path = tmp_path / name
        path.write_text(text)
        return import_table(store, ImportRequest(path, **{"model": "net", **given}))  # type: ignore[arg-type]

    return takes


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_three_methods_meet_on_one_unit(store: Store, take: Importer) -> None:
    take(NETDISSECT, layer="conv1")
    take(MILAN)
    take(CLIP_DISSECT)
    view = store.unit("net", "conv1", 0)
    assert {(each.method, each.text) for each in view.others} | {(view.labels[0].method, view.labels[0].text)} == {
        ("netdissect", "car"), ("milan", "Black lettering"), ("clip-dissect", "red"),
    }  # fmt: skip
    assert {(each.method, each.dataset) for each in view.others} == {("netdissect", "broden"), ("milan", "unstated")}


def test_the_same_file_again_does_nothing_and_another_file_is_another_run(store: Store, take: Importer) -> None:
    first, again = take(MILAN), take(MILAN, name="renamed.csv")
    assert (first.repeated, again.repeated, again.run.id) == (False, True, first.run.id)
    counts = store.counts()
    assert take(MILAN).run.id == first.run.id and store.counts() == counts
    other = take(MILAN.replace("Nothing", "Something"))
    assert other.run.id != first.run.id and not other.repeated
    assert take(MILAN, layer="conv1").run.id not in (first.run.id, other.run.id)


def test_an_import_that_was_stopped_is_done_again(store: Store, take: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Store.write_formulas
    monkeypatch.setattr(Store, "write_formulas", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        take(MILAN)
    assert [run.state for run in store.runs()] == ["interrupted"]
    monkeypatch.setattr(Store, "write_formulas", write)
    done = take(MILAN)
    assert (done.run.state, done.repeated, len(store.runs())) == ("done", False, 1)


def test_layers_meet_under_their_other_names(store: Store, take: Importer) -> None:
    take(NETDISSECT, layer="block1")
    found = take(MILAN, aliases={"conv1": "block1"})
    assert [layer.layer for layer in found.layers] == ["block1", "layer1"]
    assert take(CLIP_DISSECT).layers[0].layer == "block1", "the alias is remembered"
    assert len(store.unit("net", "conv1", 0).others) == 2
    with pytest.raises(UsageError, match=r"--alias conv9=block9 names no layer of the table. Its layers: conv1, layer1"):
        take(MILAN, aliases={"conv9": "block9"})
    with pytest.raises(UsageError, match=r"layers conv1, layer1 of the table would all be block1"):
        take(MILAN, aliases={"conv1": "block1", "layer1": "block1"})


def test_a_layer_is_as_wide_as_the_widest_of_its_tables_and_real_weights_keep_theirs(store: Store, take: Importer) -> None:
    take(CLIP_DISSECT)
    assert take(NETDISSECT, layer="conv1").layers[0].units == 3
    assert take(CLIP_DISSECT, units=10).layers[0].units == 10
    own = save_run(store)
    real = take(NETDISSECT, model=None, layer="conv1", checkpoint_of=str(own.id))
    assert (real.run.model, real.run.checkpoint_id) == ("tiny", own.checkpoint_id)
    width = store.layer_summary(own.id, "conv1").units
    many = NETDISSECT + f"{width + 1},object,car,0.25,red-c,100,40,20,0.166666667,car,60,40,20,0.25\n"
    refused = take(many, model="tiny", layer="conv1", checkpoint_of=str(real.run.id)).table.refused
    assert [each.reason.split(";")[0] for each in refused if each.line == 5] == [f"unit is {width + 1}, beyond the layer's {width} units"]
    assert store.layer_summary(own.id, "conv1").units == width
    with pytest.raises(UsageError, match="is of tiny, not of net"):
        take(MILAN, checkpoint_of=str(own.id))


def test_known_concepts_keep_their_synonyms_and_give_formulas_their_categories(store: Store, take: Importer) -> None:
    store.save_concepts("broden", (ConceptEntry("water", "object", "12", ("sea",)), ConceptEntry("river", "scene")))
    run = take(COMPEXP, layer="conv1").run
    formula = next(label for label in store.unit("net", "conv1", 0).labels if label.kind == "formula")
    assert formula.concepts == (("object", "water", 1), ("scene", "river", 1), ("color", "blue-c", -1))
    assert next(each.synonyms for each in store.concepts(vocabulary="broden") if each.name == "water") == ("sea",)
    assert [view.index for view in store.units(UnitFilter(run=run.id, uses=("NOT blue-c",)))] == [0]
    assert (run.profile, run.methods) == ("compexp", ("compexp",))


def test_what_was_wrong_is_kept_with_the_run(store: Store, take: Importer) -> None:
    found = take(NETDISSECT.replace("20,0.25\n2", "20,0.26\n2") + "0,a,b,c\n", layer="conv1")
    (entry,) = store.layer_methods(found.run.id)
    assert (entry.method, entry.summary["violated"], len(entry.summary["refused"])) == ("import", 2, 1)  # type: ignore[arg-type]
    told = found.run.imported
    assert told is not None and (told["rows"], told["units"], told["violations"], told["refused"]) == (4, 3, 2, 1)
    assert any("line 2, conv1/0: object-iou is 0.26" in line for line in found.lines())
    assert any("line 5: 4 cells under 14 columns" in line for line in found.lines())


@pytest.mark.parametrize("model", [None, "", " " * 3, "m" * 400])
def test_a_network_must_be_named(model: str | None) -> None:
    with pytest.raises(UsageError):
        ImportRequest(Path("table.csv"), model=model)


@pytest.mark.parametrize("kind", list(ALL))
def test_everything_that_reads_runs_reads_imported_ones(store: Store, take: Importer, config: Config, tmp_path: Path, kind: str) -> None:
    run = take(ALL[kind], layer=None if kind in ("milan", "clip-dissect") else "conv1").run
    page = export_run(store, config, run.id, "html", tmp_path / "report")
    told = re.sub(r"<[^>]*>", "", page.read_text())
    assert f"{kind} table table.csv" in told and "pictures only" not in told and "dissect verify" not in told
    for form in ("csv", "jsonl", "parquet", "model-card"):
        assert export_run(store, config, run.id, form, tmp_path / form).stat().st_size > 0
    report = audit_run(store, config, str(run.id), AuditRequest(), SILENT, folder=tmp_path / "audit").report
    assert report.tested
    lines = [json.loads(line) for line in (tmp_path / "jsonl").read_text().splitlines()]
    assert {line["state"] for line in lines} == {"unknown"}
    assert any(line["label"] for line in lines)


def test_what_needs_pictures_or_the_network_is_refused_in_one_line(store: Store, take: Importer, config: Config, tmp_path: Path) -> None:
    run = take(NETDISSECT, layer="conv1").run.id
    tries: list[Callable[[], object]] = [
        lambda: verify_run(store, config, run, VerifyRequest(), SILENT), lambda: compose_run(store, config, run, ComposeRequest(), SILENT),
        lambda: ablate_run(store, config, run, AblateRequest(), SILENT), lambda: probe_again(store, config, str(run), SILENT, 1),
        lambda: edit_run(store, config, run, EditRequest(tmp_path / "x.safetensors", concept="car"), SILENT),
        lambda: audit_run(store, config, str(run), AuditRequest(attributes=("all",)), SILENT),
    ]  # fmt: skip
    for attempt in tries:
        with pytest.raises(NotSupportedError, match=r"run 1 was imported from table.csv: there is no cache, picture or network behind it"):
            attempt()


def test_netdissects_columns_come_back_with_equal_cells(store: Store, take: Importer) -> None:
    damaged = NETDISSECT.replace("car,60,40,20,0.25", "car,60,forty,20,0.25")
    for text in (NETDISSECT, damaged):
        run = take(text, layer="conv1").run
        out = rows(published_text(store, run.id, "netdissect"))
        assert [list(row) for row in out] == [list(row) for row in rows(text)]
        for mine, theirs in zip(out, rows(text), strict=True):
            assert all(same(mine[name], theirs[name]) for name in theirs), (mine, theirs)


def same(mine: str, theirs: str) -> bool:
    """Equal texts, or equal numbers."""
    if mine == theirs:
        return True
    try:
        return float(mine) == float(theirs)
    except ValueError:
        return False


def test_a_run_of_our_own_goes_out_in_published_columns_and_comes_in_again(store: Store, take: Importer) -> None:
    own = save_run(store)
    layer = own.layers[0] if own.layers else store.run(own.id).layers[0]
    text = published_text(store, own.id, "netdissect", layer=layer)
    assert int(rows(text)[0]["unit"]) == 1
    again = take(text, layer=layer)
    assert again.table.units > 0
    milan = published_text(store, own.id, "milan")
    assert set(rows(milan)[0]) == {"layer", "unit", "description"}
    with pytest.raises(UsageError, match="has no similarity to write in the columns of clip-dissect"):
        published_text(store, own.id, "clip-dissect")


def test_hostile_names_stay_text_in_every_file(store: Store, take: Importer, tmp_path: Path) -> None:
    said = ["=HYPERLINK(1)", "+1", "-1", "@x", "'already", *PAYLOADS]
    buffer = io.StringIO()
    csv.writer(buffer).writerows([("layer", "unit", "description"), *(("conv1", number, text) for number, text in enumerate(said))])
    run = take(buffer.getvalue(), model="<script>alert(1)</script>|`x`").run
    kept = [view.labels[0].text for view in store.units(UnitFilter(run=run.id), order="index", limit=100)]
    text = published_text(store, run.id, "milan")
    cells = [row["description"] for row in rows(text)]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    back = take(text, name="again.csv", model="other").run
    assert [view.labels[0].text for view in store.units(UnitFilter(run=back.id), order="index", limit=100)] == kept
    card = model_card(store, run.id)
    assert "<" not in card and "\n|`" not in card and "&lt;script&gt;" in card
    folder = export_neuronpedia(store, run.id, tmp_path / "np")
    assert folder.parent == tmp_path / "np" and folder.name == "script-alert-1-script-x"


@pytest.mark.parametrize("payload", [*PAYLOADS, "a|b", "# title", "[x](javascript:1)", "![i](http://x/y)", "line\nline", "`code`", "&lt;"])
def test_no_name_becomes_markdown(payload: str) -> None:
    shown = md(payload)
    assert "\n" not in shown and "<" not in shown and "://" not in shown
    assert not re.search(r"(?<!\\)[`*_\[\]|]", shown)


def test_neuronpedias_layout_has_its_files_and_fields(store: Store, tmp_path: Path) -> None:
    own = save_run(store)
    folder = export_neuronpedia(store, own.id, tmp_path / "np")
    source = min(folder.iterdir())
    heads = {name: json.loads((source / f"{name}.jsonl").read_text()) for name in ("release", "model", "sourceset", "source")}
    assert heads["source"]["modelId"] == heads["model"]["id"] == folder.name and heads["source"]["id"] == source.name
    assert heads["source"]["setName"] == heads["sourceset"]["name"] and heads["sourceset"]["releaseName"] == heads["release"]["name"]
    found = {
        kind: [json.loads(line) for line in gzip.decompress((source / kind / "batch-0.jsonl.gz").read_bytes()).splitlines()]
        for kind in ("features", "explanations", "activations")
    }
    assert [line["index"] for line in found["features"]] == [str(number) for number in range(len(found["features"]))]
    for kind, lines in found.items():
        assert all((line["modelId"], line["layer"]) == (folder.name, source.name) for line in lines) and lines, kind
    ids = [line["id"] for kind in ("explanations", "activations") for line in found[kind]]
    assert len(set(ids)) == len(ids)
    assert all(line["values"] == [line["maxValue"]] and len(line["tokens"]) == 1 for line in found["activations"])
    with pytest.raises(UsageError, match="is not empty"):
        export_neuronpedia(store, own.id, tmp_path / "np")


def test_a_model_card_tells_layers_tests_audits_caveats_and_sources(store: Store, take: Importer, config: Config) -> None:
    run = take(NETDISSECT, layer="conv1").run
    card = model_card(store, run.id)
    for words in ("# What the units of net detect", "## Layer conv1", "| car | object | 1 | unit 0, .25 | not tested |", "None was made",
                  "## Caveats", "No label was tested for chance", "Network Dissection", run.fingerprint):  # fmt: skip
        assert words in card, words
    audit_run(store, config, str(run.id), AuditRequest(), SILENT, pages=False)
    assert "Audit 1:" in model_card(store, run.id)


def test_forms_and_layers_that_do_not_fit_are_refused(store: Store, take: Importer, config: Config) -> None:
    run = take(MILAN).run.id
    with pytest.raises(UsageError, match=r"there is no form 'xml'. Choose one of html, csv"):
        export_run(store, config, run, "xml", None)
    with pytest.raises(UsageError, match="--layer is for netdissect, milan, clip-dissect; csv holds every layer"):
        export_run(store, config, run, "csv", None, layer="conv1")
    with pytest.raises(UsageError, match=r"holds one layer; run 1 has conv1, layer1. Name one with --layer"):
        export_run(store, config, run, "netdissect", None)
    with pytest.raises(UsageError, match="run 1 has no pixel counts"):
        export_run(store, config, run, "netdissect", None, layer="conv1")
    assert len(rows(published_text(store, run, "milan", layer="layer1"))) == 1 and "neuronpedia" in FORMS


def test_the_python_functions_do_what_the_commands_do(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(MILAN)
    run = dissect.import_table("auto", path, model="net", db=f"sqlite:///{tmp_path}/dissect.db")
    assert [view.label.text for view in run.units("dog") if view.label] == ["Dog faces"]
    assert run.export("milan", tmp_path / "out.csv").read_text() == MILAN
    run.store.close()


@pytest.mark.shared
@pytest.mark.parametrize("name", list(UNITS))
def test_the_published_tables_of_netdissect_come_in_as_stated_and_go_out_equal(store: Store, shared: Path, name: str) -> None:
    path = shared / PUBLISHED / "NetDissect_results" / f"{name}.csv"
    model, _, layer = name.rpartition("_")
    found = import_table(store, ImportRequest(path, "auto", model, layer))
    units, above, violated = UNITS[name]
    assert (found.table.units, found.layers[0].detectors, len(found.table.violations), found.table.refused) == (units, above, violated, ())
    out, theirs = rows(published_text(store, found.run.id, "netdissect")), rows(path.read_text())
    assert [list(row) for row in out] == [list(row) for row in theirs]
    assert all(same(mine[column], row[column]) for mine, row in zip(out, theirs, strict=True) for column in row)


@pytest.mark.shared
@pytest.mark.parametrize("name", list(DESCRIBED))
def test_the_published_descriptions_come_in_as_stated_and_go_out_equal(store: Store, shared: Path, name: str) -> None:
    path = shared / PUBLISHED / f"{name}.csv"
    found = import_table(store, ImportRequest(path, "auto", "net"))
    assert (found.table.units, found.table.violations, found.table.refused) == (DESCRIBED[name], (), ())
    out, theirs = rows(published_text(store, found.run.id, found.table.kind)), rows(path.read_text())
    assert len(out) == len(theirs)
    for mine, row in zip(out, theirs, strict=True):
        assert (mine["layer"], mine["unit"], mine["description"]) == (row["layer"], row["unit"], row["description"])
        assert same(mine.get("similarity", ""), row.get("similarity", ""))


@pytest.mark.shared
def test_three_published_methods_meet_on_one_resnet50_unit(store: Store, shared: Path) -> None:
    folder = shared / PUBLISHED
    for name, layer in (
        ("NetDissect_results/resnet50_imagenet_layer4", "layer4"), ("MILAN_results/m_base_resnet50_imagenet", None),
        ("CLIP_Dissect_results/resnet50_imagenet_broden", None),
    ):  # fmt: skip
        import_table(store, ImportRequest(folder / f"{name}.csv", model="resnet50_imagenet", layer=layer))
    view = store.unit("resnet50_imagenet", "layer4", 0)
    said = {(each.method, each.text) for each in view.others} | {(label.method, label.text) for label in view.labels}
    assert said == {("netdissect", "body"), ("milan", "Items with straight features"), ("clip-dissect", "ivtools")}
