"""Runs read from published tables: pages that say what is not known, and several methods on one unit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from dissect.pipeline.import_table import ImportRequest, import_table
from dissect.serve import links
from dissect.store import Store
from tests.serve.conftest import client_of
from tests.serve.test_pages import page, text

MODEL, LAYER = "org/resnet50", "layer4"


@pytest.fixture
def client(sqlite_store: Store, tmp_path: Path) -> Iterator[TestClient]:
    """A service over two tables of one network."""
    rows = {
        "milan": ("description", ["dog faces", "wheels", "<b>sky</b>"]),
        "clip-dissect": ("description,similarity", ["dog,.3", "car,.2", "sky,.1"]),
    }
    for kind, (columns, labels) in rows.items():
        lines = [f"{LAYER},{unit},{label}" for unit, label in enumerate(labels)]
        file = tmp_path / f"{kind}.csv"
        file.write_text(f"layer,unit,{columns}\n" + "\n".join(lines) + "\n")
        import_table(sqlite_store, ImportRequest(file, kind, MODEL))
    yield from client_of(sqlite_store)


def test_two_methods_meet_on_one_unit(client: TestClient) -> None:
    for run, own, other in ((1, "dog faces", "dog"), (2, "dog", "dog faces")):
        shown = text(client, links.unit(MODEL, run, LAYER, 0))
        assert f"unit 0: {own}" in shown and "What other runs say of it" in shown and other in shown
        assert "It was read from a table, so it cannot be tested here" in shown and "dissect ablate" not in shown
    document = client.get(links.unit(MODEL, 1, LAYER, 0) + ".json").json()
    (other,) = document["others"]
    assert (other["run_id"], other["method"], other["source"]) == (2, "clip-dissect", "clip-dissect.csv")


@pytest.mark.parametrize("run", [1, 2])
def test_every_page_of_an_imported_run_is_there(client: TestClient, run: int) -> None:
    layer = links.layer(MODEL, run, LAYER)
    units = [f"{layer}/{unit}" for unit in range(3)]
    for path in ("/", links.run(run), links.model(MODEL), layer, *units, "/units?q=sky", "/compare?a=1&b=2"):
        assert page(client, path).all("b") == [] or "<b>sky" not in client.get(path).text, path
    assert "3 units with a row" in text(client, layer) and "nothing else is known of them" in text(client, layer)
    assert "Read from the" in text(client, links.run(run))
    assert client.get(f"/api/v1{layer}/units?order=index").json()["units"][0]["label"].startswith("dog")
