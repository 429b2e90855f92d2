"""Every page in every state that a database can be in."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from dissect.exchange import help as glossary
from dissect.exchange.view import ReportRun
from dissect.serve import links, pages
from dissect.serve.app import routes
from dissect.serve.pages import OWN
from tests.exchange.reading import Page
from tests.serve.world import MODEL, ODD

UNIT = links.unit(MODEL, 1, "conv1", 0)
LAYER = links.layer(MODEL, 1, "conv1")
COMPARED = "/compare?a=1&b=1&method=netdissect&against=compositional"
PAGES = (
    "/", "/units", "/units?q=car", "/units?q=dog&detectors=true", "/units?q=nothing-like-it", "/audits", "/audits/1", "/help",
    "/help?run=1", "/api", "/compare", COMPARED, "/compare?a=1",
    "/runs/1", "/runs/latest", links.model(MODEL), links.model(ODD), LAYER, f"{LAYER}?order=index&state=dead", f"{LAYER}?q=zebra",
    UNIT, links.unit(MODEL, 1, "conv1", 5), links.unit(MODEL, 1, "conv1", 7), links.layer(ODD, 2, "block.0/conv"),
    links.unit(ODD, 2, "block.0/conv", 0), links.unit(ODD, 2, "block.0/conv", 1), links.concept("object", "dog"),
    links.concept("color", ""), links.concept("odd", "a/b c"), "/units?all_runs=true&run=1&model=tiny&min_iou=0.1&order=concept",
)  # fmt: skip
MOST_BYTES = 300_000


def page(client: TestClient, path: str) -> Page:
    """A page that must be there, parsed."""
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.text[:300])
    found = Page()
    found.feed(answer.text)
    return found


def text(client: TestClient, path: str) -> str:
    """Its words, without markup."""
    return " ".join(" ".join(page(client, path).text).split())


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_there_complete_and_small(client: TestClient, path: str) -> None:
    found = page(client, path)
    answer = client.get(path)
    assert answer.headers["content-type"].startswith("text/html") and len(answer.content) < MOST_BYTES
    assert len(found.all("h1")) == 1 and len(found.all("main")) == 1 and len(found.all("title")) == 1
    assert found.wrong == [] and found.open == []
    assert all("alt" in image for image in found.all("img")) and all("style" not in attributes for _, attributes in found.elements)
    assert all(not name.startswith("on") for _, attributes in found.elements for name in attributes)


@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_every_page_leads_somewhere(client: TestClient, path: str) -> None:
    for link in page(client, path).all("a"):
        href = link["href"]
        assert href.startswith(("/", "#")), href
        if href.startswith("/"):
            answer = client.get(href.partition("#")[0])
            assert answer.status_code in (200, 307), (path, href, answer.status_code)


@pytest.mark.parametrize("path", PAGES)
def test_every_anchor_a_page_points_to_is_in_its_target(client: TestClient, path: str) -> None:
    for link in page(client, path).all("a"):
        place, _, anchor = link["href"].partition("#")
        if anchor and not place.startswith("/m/"):
            target = page(client, place or path)
            assert any(attributes.get("id") == anchor for _, attributes in target.elements), (path, link["href"])


@pytest.mark.parametrize("path", ["/", "/units", "/units?q=car", "/audits", "/help", "/api"])
def test_an_empty_database_has_pages_that_say_what_to_do(empty: TestClient, path: str) -> None:
    assert page(empty, path).all("h1")
    assert "dissect demo" in text(empty, "/") and "dissect audit" in text(empty, "/audits")


def test_the_first_page_counts_units_and_detectors(client: TestClient) -> None:
    shown = text(client, "/")
    assert "tiny streets conv1 24 4" in shown and "not scored" in shown


def test_a_unit_page_answers_with_its_evidence(client: TestClient) -> None:
    shown = text(client, UNIT)
    for expected in (
        "unit 0: car", "(car OR dog) AND NOT carpet", "rear windows of parked cars", "IoU .25", "reachable .50", "Not tested for chance",
        "Causal effect: .30", "What it does", "What else it could be", "Where it fires", "Who else", "overlaps faces", "cite", "permalink",
    ):
        assert expected in shown, expected
    found = page(client, UNIT)
    assert [link["href"] for link in found.all("a") if link.get("rel") == "next"] == [links.unit(MODEL, 1, "conv1", 1)]
    assert [link for link in found.all("a") if link.get("rel") == "prev"] == []
    assert all(re.fullmatch(r"/t/[0-9a-f]{64}\.jpg", image["src"]) for image in found.all("img")) and found.all("img")
    assert len(found.all("path")) >= 3, "a mask is drawn over every picture"


def test_a_dead_unit_says_so_and_shows_no_pictures(client: TestClient) -> None:
    shown = text(client, links.unit(MODEL, 1, "conv1", 5))
    assert "always 0 on these images" in shown and "no label" in shown and "dissect ablate" in shown
    assert page(client, links.unit(MODEL, 1, "conv1", 5)).all("img") == []


def test_a_label_that_may_be_chance_looks_like_it(client: TestClient) -> None:
    assert "Not distinguishable from chance (q .60)" in text(client, links.unit(MODEL, 1, "conv1", 7))
    found = page(client, links.unit(MODEL, 1, "conv1", 7))
    labels = [attributes["class"] for _, attributes in found.elements if attributes.get("class", "").startswith("label")]
    assert labels[0] == "label chance"


def test_a_layer_begins_with_a_sentence_and_its_categories(client: TestClient) -> None:
    shown = text(client, LAYER)
    assert "23 of 24 units ok, 4 detectors of 4 concepts, 1 dead, " in shown
    bars = [link["href"] for link in page(client, LAYER).all("a") if "label" in link.get("class", "")]
    assert f"{LAYER}?category=object&concept=car&detectors=true#units" in bars


def test_sort_and_filter_are_in_the_address_and_the_form_shows_them(client: TestClient) -> None:
    found = page(client, f"{LAYER}?order=index&category=object&limit=5")
    chosen = [option["value"] for option in found.all("option") if "selected" in option]
    assert chosen[:2] == ["index", "object"]
    rows = [row["id"] for row in found.all("tr") if row.get("id", "").startswith("u")]
    assert rows == ["u0", "u1", "u7", "u8", "u9"]


def walk(client: TestClient, path: str | None, rel: str) -> tuple[list[list[str]], str]:
    """Addresses of the units of each page from here to the end, and the last page's own address."""
    seen: list[list[str]] = []
    while path is not None:
        found, here = page(client, path), path
        seen.append(list(dict.fromkeys(link["href"] for link in found.all("a") if re.search(r"/r/\d+/[^/]+/\d+$", link["href"]))))
        assert 0 < len(seen[-1]) <= 7
        path = next((link["href"].partition("#")[0] for link in found.all("a") if link.get("rel") == rel), None)
    return seen, here


@pytest.mark.parametrize("heavy", [False, True], ids=["by number", "by bytes"])
@pytest.mark.parametrize("start", [LAYER, "/units", links.concept("object", "car"), f"{LAYER}?order=concept", "/units?q=car"])
def test_every_unit_is_shown_once_on_the_way_on_and_on_the_way_back(
    client: TestClient, start: str, heavy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if heavy:
        monkeypatch.setattr(pages, "BYTES", 6_000)
    there, last = walk(client, f"{start}{'&' if '?' in start else '?'}limit=7", "next")
    back, first = walk(client, last, "prev")
    seen = [href for hrefs in there for href in hrefs]
    assert [href for hrefs in reversed(back) for href in hrefs] == seen
    assert len(there) > 1 and "before=" in first
    if start == "/units?q=car":
        return
    whole = f"/api/v1{start.partition('?')[0]}{'/units' if '/m/' in start else ''}?limit=200"
    everything = client.get(whole).json()["units"]
    assert sorted(seen) == sorted(unit["href"] for unit in everything)


def test_two_methods_of_a_run_stand_beside_each_other(client: TestClient) -> None:
    shown = text(client, COMPARED)
    assert "What changed from run 1: tiny" in shown and "Units whose label changed" in shown and "Labels of this method" not in shown
    for wrong in ("/compare?a=1&b=1", "/compare?a=1&b=2", "/compare.json?a=1", "/compare?a=1&b=1&method=x&against=y"):
        assert client.get(wrong).status_code in (404, 422), wrong


def test_a_search_marks_the_words_and_says_why(client: TestClient) -> None:
    answer = client.get("/units?q=dog").text
    assert "<mark>dog</mark>" in answer and "narrower: terrier, under <mark>dog</mark>" in answer


TICKS = ("order", "detectors", "all_runs", "survives", "narrower")


@pytest.mark.parametrize("page_", ["/units", LAYER])
def test_a_form_sent_without_anything_filled_in_asks_for_everything(client: TestClient, page_: str) -> None:
    fields = [field["name"] for tag in ("input", "select") for field in page(client, page_).all(tag) if "name" in field]
    empty = "&".join(f"{name}=" for name in fields if name not in TICKS)
    assert len(fields) > 5 and text(client, f"{page_}?{empty}") == text(client, page_)


def test_narrower_concepts_can_be_left_out_and_a_threshold_of_zero_is_one(client: TestClient) -> None:
    assert "terrier" in text(client, "/units?q=dog") and "terrier" not in text(client, "/units?q=dog&narrower=false")
    hrefs = [link["href"] for link in page(client, "/units?q=dog&narrower=false&min_iou=0&category=object").all("a")]
    assert "/units?q=dog&category=object&min_iou=0.0" in hrefs and "/units?q=dog&min_iou=0.0&narrower=false" in hrefs


def test_an_empty_search_names_concepts_that_exist(client: TestClient) -> None:
    assert "Concepts that units do carry: terrier" in text(client, "/units?q=terier")


def test_every_filter_in_force_can_be_taken_away(client: TestClient) -> None:
    found = page(client, "/units?q=car&category=object&min_iou=0.05&uses=dog")
    gone = [link["href"] for link in found.all("a") if "q=car" in link["href"]]
    assert "/units?q=car&category=object&uses=dog" in gone and "/units?q=car&min_iou=0.05&uses=dog" in gone


def test_a_run_is_found_by_number_prefix_and_latest_but_only_under_its_network(client: TestClient) -> None:
    for reference in ("1", "f" * 8, "latest"):
        assert client.get(f"/m/{MODEL}/r/{reference}/conv1/0").status_code == 200
    assert client.get(f"/m/{MODEL}/r/2/conv1/0").status_code == 404
    assert client.get(f"/m/{MODEL}/r/1/features.0/0").status_code == 200, "a layer is found by another tool's name"
    assert client.get(f"/m/{MODEL}/r/1").headers["location"] == "/runs/1"


def test_random_leads_to_a_unit_of_the_layer(client: TestClient) -> None:
    answer = client.get(f"{LAYER}/random")
    assert answer.status_code == 307 and re.fullmatch(re.escape(LAYER) + r"/\d+", answer.headers["location"])
    assert answer.headers["cache-control"] == "no-store"


def test_the_help_speaks_in_the_terms_of_the_run(client: TestClient) -> None:
    anchors = {attributes["id"] for _, attributes in page(client, "/help?run=1").elements if "id" in attributes}
    assert {anchor for anchor, _, _ in glossary.entries(ReportRun("", "", "", (), {}, 0))} <= anchors


def test_the_services_templates_point_to_entries_of_the_help() -> None:
    known = {anchor for anchor, _, _ in glossary.entries(ReportRun("", "", "", (), {}, 0))}
    for template in OWN.glob("*.html"):
        assert set(re.findall(r"help_page \}\}#([a-z-]+)", template.read_text(encoding="utf-8"))) <= known, template.name


def test_every_page_route_was_tried() -> None:
    elsewhere = ["/jobs", "/jobs/1", "/login"]  # in test_writes
    tried = [links.model(MODEL) + "/r/1", LAYER + "/random", "/runs", *elsewhere, *(path.partition("?")[0] for path in PAGES)]
    pages = [route for route in routes() if not route.include_in_schema and not route.path.endswith((".json", ".csv"))]
    assert len(pages) > 12
    for route in pages:
        if "GET" in (route.methods or ()):
            assert any(route.path_regex.match(path) for path in tried) or route.path.startswith("/static"), route.path
