"""Path payloads, script payloads and hostile search strings: nothing from outside, no script, no row outside the filter, no fault."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient

from dissect.audit.finding import AuditReport, Finding
from dissect.serve import links
from dissect.serve.app import create_app, routes
from dissect.serve.settings import Settings
from dissect.store import (
    CheckpointRecord,
    ConceptEntry,
    DatasetRecord,
    ImageEntry,
    LabelEntry,
    LayerRecord,
    LayerResult,
    ModelRecord,
    Store,
)
from tests.exchange.hostile import PAYLOADS, payload
from tests.exchange.reading import Page
from tests.serve.conftest import HOME
from tests.serve.payloads import PATHS, strings
from tests.serve.world import fill, seen, write_thumbnails
from tests.store.made_up_runs import IMAGES, concept_label, save_world, spec, unit

ANSWERS = {200, 307, 400, 404, 405, 414, 422}
FIELDS = (
    "q", "model", "layer", "dataset", "category", "concept", "method", "kind", "state", "run", "uses", "min_iou", "max_q", "order",
    "after",
)  # fmt: skip


def test_path_payloads_in_every_path_read_nothing_from_outside(
    world_file: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    thorough = bool(request.config.getoption("--long"))
    write_thumbnails(tmp_path / "thumbs")
    for place in (tmp_path / "secret.txt", tmp_path / "thumbs" / "secret.txt"):
        place.write_text("SECRET of the machine")
    (tmp_path / "thumbs" / "link").symlink_to(tmp_path / "secret.txt")
    with Store.open(f"sqlite:///{world_file}") as store:
        app = create_app(store, Settings(tmp_path / "thumbs"))
        client = TestClient(app, base_url=HOME, follow_redirects=False)
        patterns = sorted({route.path for route in routes() if "{" in route.path and "GET" in (route.methods or ())})
        assert len(patterns) > 25
        for number, pattern in enumerate(patterns):
            for step, hostile in enumerate(PATHS):
                if not thorough and (number + step) % 3:
                    continue
                answer = client.get(re.sub(r"\{[^}]+\}", hostile.replace("\\", r"\\"), pattern))
                assert answer.status_code in ANSWERS, (pattern, hostile)
                assert "SECRET" not in answer.text and "root:" not in answer.text and "set-cookie" not in answer.headers


@pytest.mark.parametrize("page", ["/units", "/units.csv", "/m/tiny/r/1/conv1", "/c/object/car.json", "/help", "/compare"])
def test_path_payloads_in_every_query_are_only_words(client: TestClient, page: str, request: pytest.FixtureRequest) -> None:
    thorough = bool(request.config.getoption("--long"))
    for number, name in enumerate((*FIELDS, "limit", "a", "b")):
        for place, hostile in enumerate(PATHS):
            if not thorough and (number + place) % 6:
                continue
            answer = client.get(f"{page}?{name}={hostile.replace('#', '')}")
            assert answer.status_code in ANSWERS and "root:" not in answer.text, (name, hostile)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def either(request: pytest.FixtureRequest) -> Iterator[TestClient]:
    """A service on either database."""
    store: Store = request.getfixturevalue("sqlite_store" if request.param == "sqlite" else "postgres_store")
    fill(store)
    yield TestClient(create_app(store, Settings()), base_url=HOME, raise_server_exceptions=False)


def test_hostile_strings_in_every_field_break_nothing_and_let_nothing_through(either: TestClient, request: pytest.FixtureRequest) -> None:
    thorough = bool(request.config.getoption("--long"))
    for number, text in enumerate(strings()):
        for place, name in enumerate(FIELDS):
            if name != "q" and not thorough and (number + 7 * place) % (3 * len(FIELDS)):
                continue
            narrowed = {"detectors": "true", "model": "tiny", "layer": "conv1", "all_runs": "true"} | {name: text}
            answer = either.get("/units.json?" + urlencode(narrowed))
            assert answer.status_code in (200, 404, 422), (name, text, answer.text)
            if answer.status_code == 200 and name not in ("model", "layer"):
                rows = answer.json()["units"]
                assert all(row["detector"] and (row["model"], row["layer"]) == ("tiny", "conv1") for row in rows), (name, text)
    assert len(either.get("/units.json?all_runs=true&limit=200").json()["units"]) == 24, "everything is still there"


@pytest.mark.parametrize("text", ["zebra' OR '1'='1", 'zebra" OR "car', "zebra) OR (car", "zebra%", "zebra_", "_____", "%car%", "zebra*"])
def test_signs_of_sql_mean_nothing_in_a_search(either: TestClient, text: str) -> None:
    found = either.get("/units.json?" + urlencode({"q": f"{text} giraffe"}))
    assert found.status_code == 422 or found.json()["units"] == []
    assert either.get("/units.json?" + urlencode({"model": text, "all_runs": "true"})).json()["units"] == []


def hostile_world(store: Store) -> None:
    """A run in which everything that has a name is a script."""
    world = save_world(store)
    model = store.save_model(ModelRecord(payload(0), payload(1), payload(2), {}))
    checkpoint = store.save_checkpoint(model, CheckpointRecord("d" * 64))
    dataset = store.save_dataset(DatasetRecord(payload(3), "hash of scripts", "scripts", "masks", IMAGES, payload(4), payload(5)))
    store.save_images(dataset, [ImageEntry(index, payload(index), f"{index:064x}", (64, 48)) for index in range(IMAGES)])
    store.save_concepts("scripts", [ConceptEntry(text, payload(number + 1), synonyms=(text,)) for number, text in enumerate(PAYLOADS)])
    scripted = dataclasses.replace(world, model_id=model, checkpoint_id=checkpoint, dataset_id=dataset)
    settings, versions = {text: text for text in PAYLOADS}, {text: text for text in PAYLOADS}
    run = store.begin_run(spec(scripted, "5" * 64, settings=settings, versions=versions, profile=payload(6), methods=(payload(7),)))
    units = []
    for number, text in enumerate(PAYLOADS):
        label = concept_label(text, payload(number + 1), 0.5, concepts=(((payload(number + 1), text), 1),), details={text: text})
        said = LabelEntry(text, "description", text, score=1.0, score_kind=payload(number), details={text: [text]})
        units.append(dataclasses.replace(unit(number, label, said), concepts=()))
    layer = LayerRecord(payload(0), len(units), 0, (7, 7), payload(1), False, (payload(2),))
    store.write_layer(run.id, LayerResult(layer, tuple(seen(each) for each in units), None, payload(3), payload(4), (8, 8), IMAGES))
    finding = Finding("mask", payload(0), 0, payload(1), "found", payload(2), effect=0.5, effect_name=payload(5), reason=payload(4))
    finding = dataclasses.replace(finding, text=payload(3))
    report = AuditReport(of=payload(0), against=payload(1), findings=(finding,), tested=PAYLOADS, untested=PAYLOADS)
    store.write_audit(run.id, "a" * 64, report)
    store.write_skipped(run.id, [(text, text) for text in PAYLOADS])
    store.fail_run(run.id, payload(0))
    store.finish_run(run.id)


@pytest.fixture(scope="module")
def scripted_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of scripts."""
    file = tmp_path_factory.mktemp("scripted") / "dissect.db"
    with Store.open(f"sqlite:///{file}") as store:
        hostile_world(store)
    return file


def scripted_pages() -> list[str]:
    """Pages that show them."""
    name, layer = payload(0), payload(0)
    return [
        "/", "/units?all_runs=true", "/units?" + urlencode({"q": payload(0)}), "/units?" + urlencode({"q": "script", "layer": payload(3)}),
        links.model(name), links.layer(name, 1, layer), *(links.unit(name, 1, layer, number) for number in range(len(PAYLOADS))),
        links.concept(payload(1), payload(0)), "/runs/1", "/audits", "/audits/1", "/help?run=1", "/m/%3Cscript%3E", "/units?%3Cscript%3E=1",
    ]  # fmt: skip


def test_no_name_becomes_an_element_or_an_attribute(scripted_file: Path, thumbnails: Path) -> None:
    with Store.open(f"sqlite:///{scripted_file}") as store:
        client = TestClient(create_app(store, Settings(thumbnails)), base_url=HOME)
        shown = ""
        for path in scripted_pages():
            answer = client.get(path)
            assert answer.status_code in (200, 404, 422), (path, answer.text[:200])
            page = Page()
            page.feed(answer.text)
            scripts = [script.get("src", "").partition("?")[0] for script in page.all("script")]
            assert page.wrong == [] and scripts == ["/static/serve.js"], path
            assert page.all("iframe") == page.all("style") == page.all("base") == [], path
            for tag, attributes in page.elements:
                assert not any(name.startswith("on") or name in ("style", "srcdoc") for name in attributes), (path, tag)
                assert tag != "a" or attributes["href"].startswith(("/", "#")), (path, attributes)
            shown += "".join(page.text)
        assert all(text in shown for text in (payload(0), payload(1), payload(2), payload(4)))


def test_scripts_in_data_stay_strings(scripted_file: Path) -> None:
    with Store.open(f"sqlite:///{scripted_file}") as store:
        client = TestClient(create_app(store, Settings()), base_url=HOME)
        unit_at = links.unit(payload(0), 1, payload(0), 0)
        for path in ("/runs.json", "/units.json", f"{unit_at}.json", "/runs/1.json", "/audits/1.json"):
            answer = client.get(path)
            assert answer.status_code == 200 and answer.headers["content-type"] == "application/json", path
        assert client.get(f"{unit_at}.json").json()["label"]["text"] == payload(0)
        table = client.get("/units.csv?all_runs=true").text
        assert not re.search(r'(^|,)"?[=+@]', table, re.M)
