"""A person at a real browser, with and without JavaScript, at a desk and on a phone; and names that are scripts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser

from dissect.serve import links
from tests.serve.browsing import DESK, PHONE, browser, opened, quiet
from tests.serve.running import Running, running
from tests.serve.test_hostile import hostile_world, scripted_pages
from tests.serve.world import MODEL, ODD

__all__ = ["browser"]
pytestmark = [pytest.mark.browser, pytest.mark.slow]
LAYER = links.layer(MODEL, 1, "conv1")
COMPARED = "/compare?a=1&b=1&method=netdissect&against=compositional"
SHOWN = (
    "/", "/units", "/units?q=dog", "/units?q=terier", LAYER, f"{LAYER}?state=dead&order=index", links.unit(MODEL, 1, "conv1", 0),
    links.unit(MODEL, 1, "conv1", 5), links.concept("object", "car"), "/runs/1", "/audits", "/audits/1", "/help?run=1", "/api", "/nowhere",
    COMPARED, links.unit(ODD, 2, "block.0/conv", 1),
)  # fmt: skip


@pytest.fixture(scope="module")
def service(world_file: Path, thumbnails: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The service over the small database."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(thumbnails, home / "cache" / "thumbs")
    with running(world_file, home) as found:
        yield found


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_search_filter_open_a_unit_and_go_to_the_next(browser: Browser, service: Running, script: bool, size: Any) -> None:
    with opened(browser, service, size, script=script) as window:
        page = window.new_page()
        heard = quiet(page)
        page.goto("/")
        page.get_by_role("searchbox", name="Find units").fill("wheel")
        page.get_by_role("button", name="Search").click()
        page.wait_for_url("**/units?q=wheel")
        assert page.locator("mark").first.inner_text() == "striped_wheel" and page.locator(".hit").count() == 2
        if not page.get_by_label("Least IoU").is_visible():
            page.get_by_text("Filters", exact=True).click()
        page.get_by_label("Least IoU").fill("0.15")
        page.get_by_role("button", name="Apply").click()
        page.wait_for_url("**min_iou=0.15**")
        assert page.locator(".hit").count() == 1
        page.locator(".hit h2 a").click()
        page.wait_for_url("**/conv1/6")
        assert page.get_by_role("heading", level=1).inner_text() == "unit 6: striped_wheel"
        page.locator("a[rel=next]").click()
        page.wait_for_url("**/conv1/7")
        assert page.get_by_role("heading", level=1).inner_text() == "unit 7: dog"
        assert heard == []


def test_two_methods_are_compared_by_a_form(browser: Browser, service: Running) -> None:
    with opened(browser, service, DESK, script=False) as window:
        page = window.new_page()
        page.goto("/")
        page.get_by_role("link", name="Compare").click()
        page.get_by_label("First run").select_option("1")
        page.get_by_label("Second run").select_option("1")
        page.get_by_label("Method of the first").fill("netdissect")
        page.get_by_label("Method of the second").fill("compositional")
        page.get_by_role("button", name="Compare").click()
        page.wait_for_url("**/compare?a=1**")
        assert page.get_by_role("heading", level=1).inner_text().startswith("What changed from run 1")


def test_keys_lead_through_a_layer_and_to_the_search(browser: Browser, service: Running) -> None:
    with opened(browser, service, DESK) as window:
        page = window.new_page()
        page.goto(f"{LAYER}/6")
        for key, unit in (("ArrowRight", 7), ("j", 8), ("ArrowLeft", 7), ("k", 6)):
            page.keyboard.press(key)
            page.wait_for_url(f"**/conv1/{unit}")
        page.keyboard.press("/")
        page.keyboard.type("car j")
        assert page.get_by_role("searchbox").input_value() == "car j" and page.url.endswith("/conv1/6")
        page.keyboard.press("Enter")
        page.wait_for_url("**/units?q=car+j")


def test_the_first_stop_of_the_keyboard_skips_the_head_and_every_stop_is_seen(browser: Browser, service: Running) -> None:
    with opened(browser, service, DESK) as window:
        page = window.new_page()
        page.goto(f"{LAYER}/6")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        for _ in range(12):
            page.keyboard.press("Tab")
            style = "getComputedStyle(document.activeElement)"
            assert page.evaluate(f"{style}.outlineStyle + {style}.outlineWidth") == "solid3px"


def test_whoever_hides_the_masks_has_them_hidden_on_the_next_unit(browser: Browser, service: Running) -> None:
    with opened(browser, service, DESK) as window:
        page = window.new_page()
        page.goto(f"{LAYER}/6")
        assert page.locator(".pic svg").first.is_visible()
        page.get_by_label("Hide the mask").check()
        page.locator("a[rel=next]").click()
        page.wait_for_url("**/conv1/7")
        assert page.get_by_label("Hide the mask").is_checked() and not page.locator(".pic svg").first.is_visible()


def test_a_changed_choice_is_applied_at_once_and_leaves_a_short_address(browser: Browser, service: Running) -> None:
    with opened(browser, service, DESK) as window:
        page = window.new_page()
        page.goto(LAYER)
        page.get_by_label("Order").select_option("index")
        page.wait_for_url("**order=index**")
        assert page.url.endswith(f"{LAYER}?order=index#units")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_fits_its_window(browser: Browser, service: Running, size: Any, scheme: str) -> None:
    axe = Axe()
    with opened(browser, service, size, scheme=scheme) as window:
        page = window.new_page()
        heard = quiet(page)
        reports = []
        for path in SHOWN:
            page.goto(path)
            found = axe.run(page)
            reports += [f"{path}: {found.generate_report()}"] if found.violations_count else []
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
        assert reports == []
        assert [line for line in heard if "404" not in line] == []


def test_every_picture_arrives_with_its_mask_over_it(browser: Browser, service: Running) -> None:
    with opened(browser, service, DESK) as window:
        page = window.new_page()
        page.goto(f"{LAYER}/6")
        page.wait_for_load_state("networkidle")
        loaded = page.evaluate("[...document.querySelectorAll('.wall .pic img')].map((one) => one.naturalWidth)")
        assert loaded == [144] * 3
        picture, mask = page.locator(".pic img").first.bounding_box(), page.locator(".pic svg").first.bounding_box()
        assert picture == mask


def test_nothing_is_asked_of_anybody_else(browser: Browser, service: Running) -> None:
    with opened(browser, service, DESK) as window:
        page = window.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for path in SHOWN:
            page.goto(path)
        assert asked and all(url.startswith((service.address, "data:")) for url in asked)


def test_no_name_runs_in_a_browser(browser: Browser, tmp_path: Path, thumbnails: Path) -> None:
    from dissect.store import Store

    with Store.open(f"sqlite:///{tmp_path / 'scripted.db'}") as store:
        hostile_world(store)
    shutil.copytree(thumbnails, tmp_path / "cache" / "thumbs")
    with running(tmp_path / "scripted.db", tmp_path) as service, opened(browser, service, DESK) as window:
        page = window.new_page()
        heard = quiet(page)
        for path in scripted_pages():
            page.goto(path)
            for element in page.locator("bdi, mark, a").all()[:20]:
                element.dispatch_event("mouseover")
            assert page.title() != "ran" and page.locator("iframe").count() == 0, path
        assert [line for line in heard if not re.search("40[0-9]|422", line)] == [], "nothing even tried"


def test_the_policy_stops_a_script_that_got_in(browser: Browser, service: Running) -> None:
    with opened(browser, service, DESK) as window:
        page = window.new_page()
        heard = quiet(page)
        page.goto("/")
        page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=/nowhere onerror=\"document.title=1\">')")
        page.wait_for_timeout(300)
        assert page.title() != "1" and any("Content Security Policy" in line for line in heard)
