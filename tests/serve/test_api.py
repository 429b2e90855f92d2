"""The API mirrors the pages, says where the rest of a list is, and is described by the committed document."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dissect.serve import links
from dissect.serve.assets import asset_address
from dissect.serve.openapi import described
from dissect.store.store import Store
from tests.serve.conftest import client_of
from tests.serve.world import MODEL, ODD

ROOT = Path(__file__).resolve().parents[2]
UNIT, LAYER, CAR = links.unit(MODEL, 1, "conv1", 0), links.layer(MODEL, 1, "conv1"), links.concept("object", "car")
COMPARED = "/compare?a=1&b=1&method=netdissect&against=compositional"
TWINS = (
    COMPARED, "/runs", "/runs/1", "/units", "/units?q=car&limit=3", links.model(ODD), LAYER, f"{LAYER}/units", UNIT, CAR, "/audits",
    "/audits/1",
)  # fmt: skip


def twin(path: str, ending: str) -> str:
    """The address of a page's data."""
    place, mark, query = path.partition("?")
    return place + ending + mark + query


def rows(answer: Any) -> list[dict[str, str]]:
    """A CSV answer."""
    assert answer.status_code == 200 and answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_the_committed_description_is_the_services(tmp_path: Path) -> None:
    assert (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8") == described(), "run python -m dissect.serve.openapi again"
    assert json.loads(described())["openapi"].startswith("3.1")


def test_every_operation_is_described_with_its_errors() -> None:
    for path, operations in json.loads(described())["paths"].items():
        for method, operation in operations.items():
            assert method in ("get", "post") and operation["description"] and operation["tags"], path
            error = operation["responses"]["default"]["content"]["application/json"]["schema"]
            assert error == {"$ref": "#/components/schemas/ErrorAnswer"} and "HTTPValidationError" not in str(operation)


@pytest.mark.parametrize("path", TWINS)
def test_api_and_json_twin_are_the_same(client: TestClient, path: str) -> None:
    first, second = client.get(links.API + path), client.get(twin(path, ".json"))
    assert first.status_code == second.status_code == 200 and first.json() == second.json()


def test_a_list_says_where_it_goes_on(client: TestClient) -> None:
    seen: list[str] = []
    path = "/api/v1/units?limit=10&order=concept"
    while path:
        answer = client.get(path)
        seen += [unit["href"] for unit in answer.json()["units"]]
        assert ("next" in answer.links) == (answer.json()["next"] is not None)
        path = answer.links["next"]["url"] if "next" in answer.links else ""
        assert not path or "limit=10&order=concept" in path
    assert len(seen) == len(set(seen)) == 24


def test_a_unit_as_data_holds_what_its_page_shows(client: TestClient) -> None:
    unit = client.get(UNIT + ".json").json()
    assert unit["label"]["text"] == "car" and [label["method"] for label in unit["labels"]] == ["netdissect", "compositional", "milan"]
    assert unit["exemplars"][0]["thumbnail"].startswith("/t/") and unit["effects"][0]["shown"] and unit["findings"][0]["subject"] == "face"
    assert client.get(unit["exemplars"][0]["thumbnail"]).headers["content-type"] == "image/jpeg"
    assert "mask" not in unit["exemplars"][0] and unit["alike"]


def test_tables_hold_every_unit_and_no_formula_for_a_spreadsheet(client: TestClient) -> None:
    assert len(rows(client.get("/units.csv"))) == 24 and len(rows(client.get(f"{LAYER}.csv?detectors=true"))) == 18
    assert {row["label"] for row in rows(client.get(f"{CAR}.csv"))} >= {"car"}
    assert rows(client.get(f"{UNIT}.csv"))[0]["name"] == "car" and rows(client.get("/audits/1.csv"))[0]["subject"] == "face"
    assert len(rows(client.get(twin(COMPARED, ".csv")))) == 24
    answer = client.get("/units.csv?limit=10")
    assert len(rows(answer)) == 10 and 'rel="next"' in answer.headers["link"]


@pytest.mark.parametrize("path", ["/nothing", "/runs/99", "/m/none", f"/m/{MODEL}/r/1/none", f"{LAYER}/99", "/c/object/zebra", "/audits/9"])
def test_what_is_not_there_is_said_in_one_shape_and_on_a_page(client: TestClient, path: str) -> None:
    for address in (links.API + path, path + ".json"):
        answer = client.get(address)
        assert answer.status_code == 404 and set(answer.json()) == {"error"}
        error = answer.json()["error"]
        assert error["status"] == 404 and error["code"] == "not_found" and error["message"]
    shown = client.get(path)
    assert shown.status_code == 404 and "<h1>Not found</h1>" in shown.text and "Traceback" not in shown.text


def test_a_thumbnail_is_kept_by_browsers_and_sent_once(client: TestClient) -> None:
    address = links.picture(f"{3:064x}")
    answer = client.get(address)
    assert answer.content[:3] == b"\xff\xd8\xff" and answer.content[-2:] == b"\xff\xd9" and "max-age" in answer.headers["cache-control"]
    again = client.get(address, headers={"If-None-Match": f'"other", {answer.headers["etag"]}'})
    assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == answer.headers["etag"]
    assert client.get(address, headers={"If-None-Match": '"other"'}).status_code == 200


def test_damaged_and_leading_out_thumbnails_are_not_sent(world_file: Path, tmp_path: Path) -> None:
    folder, secret = tmp_path / "thumbs", tmp_path / "secret.jpg"
    secret.write_bytes(b"secret" * 20)
    damaged, linked, above = (folder / name[:2] / f"{name}-112.jpg" for name in ("a" * 64, "b" * 64, "c" * 64))
    for path in (damaged, linked):
        path.parent.mkdir(parents=True)
    damaged.write_bytes(b"\xff\xd8\xff no digest behind it" * 4)
    linked.symlink_to(secret)
    above.parent.symlink_to(tmp_path)
    (tmp_path / above.name).write_bytes(secret.read_bytes())
    with Store.open(f"sqlite:///{world_file}") as store:
        for client in client_of(store, folder):
            for name in ("a" * 64, "b" * 64, "c" * 64, "d" * 64, "A" * 64, "a" * 63, "..", "a" * 32 + "~2F" + "a" * 31):
                answer = client.get(f"/t/{name}.jpg")
                assert answer.status_code == 404 and b"secret" not in answer.content, name


def test_files_are_kept_for_ever_under_an_address_that_changes_with_them(client: TestClient) -> None:
    for name in ("dissect.css", "serve.css", "serve.js"):
        address = asset_address(name)
        answer = client.get(address)
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"] and answer.headers["etag"].strip('"') in address
    assert client.get("/static/base.html").status_code == 404 and client.get("/static/..%2Fapp.py").status_code == 404


def test_only_reading_is_offered(client: TestClient) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for path in ("/", "/api/v1/runs", UNIT, "/runs/1"):
            answer = client.request(method, path)
            assert answer.status_code == 405 and answer.headers["allow"] == "GET"
