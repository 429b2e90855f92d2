"""A person at a real browser who compares runs, reviews a label and orders a run: with JavaScript and without."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, BrowserContext, Page, expect

from dissect.serve import links
from dissect.store import Store
from tests.pipeline.tiny import write_data, write_model
from tests.serve.browsing import DESK, PHONE, browser, opened, quiet
from tests.serve.running import Running, running
from tests.serve.world import MODEL, fill, seen
from tests.store.made_up_runs import concept_label, save_world, small_layer, spec, unit

__all__ = ["browser"]
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without"])]
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Office:
    """A service that lets writes in, its files, and the secret of a token that may review and order runs."""

    service: Running
    home: Path
    secret: str

    def work(self) -> subprocess.Popen[str]:
        """A worker of its own that does one job."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DISSECT_")}
        return subprocess.Popen(
            [sys.executable, "-m", "dissect", "--db", f"sqlite:///{self.home / 'dissect.db'}", "worker", "--once", "--device", "cpu"],
            cwd=ROOT, env={**kept, "DISSECT_HOME": str(self.home)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip


@pytest.fixture(scope="module")
def office(thumbnails: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Two runs of one layer in a database, a network and a data set that jobs may name, and a service that lets writes in."""
    home = tmp_path_factory.mktemp("office")
    shutil.copytree(thumbnails, home / "cache" / "thumbs")
    with Store.open(f"sqlite:///{home / 'dissect.db'}") as store:
        fill(store)
        fill_again(store)
        store.registry().register("data", "squares", {"data": str(write_data(home / "files"))}, "ann@local")
        store.registry().register("model", "four-units", {"model": str(write_model(home / "files"))}, "ann@local")
        _, secret = store.tokens().create("ann", ["review", "jobs"], days=1)
    with running(home / "dissect.db", home, "--allow-writes") as service:
        yield Office(service, home, secret)


def fill_again(store: Store) -> None:
    """A later run, in which a unit has lost its label, one has gained one and one has another."""
    run = store.begin_run(spec(save_world(store), "e" * 64))
    layer = small_layer()
    units = [unit(index, *([] if index == 1 else [concept_label("dog" if index == 0 else "car", "object", 0.3)])) for index in range(6)]
    store.write_layer(run.id, replace(layer, units=tuple(seen(each) for each in units)))
    store.finish_run(run.id)


def logged_in(page: Page, office: Office) -> None:
    """From a page with the link to the form, back to that page."""
    page.get_by_role("link", name="Log in").click()
    page.get_by_label("Access token").fill(office.secret)
    page.get_by_role("button", name="Log in").click()


def accessible(page: Page) -> None:
    """No rule of axe is broken, and nothing is wider than the window."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def window_of(browser: Browser, office: Office, script: bool) -> BrowserContext:
    """With JavaScript at a desk, without it on a phone."""
    return opened(browser, office.service, DESK if script else PHONE, script=script)


def test_two_runs_are_compared(browser: Browser, office: Office, script: bool) -> None:
    with window_of(browser, office, script) as window:
        page = window.new_page()
        heard = quiet(page)
        page.goto("/")
        page.get_by_role("link", name="Compare").click()
        page.get_by_label("First run").select_option("1")
        page.get_by_label("Second run").select_option("2")
        page.get_by_role("button", name="Compare").click()
        page.wait_for_url("**/compare?a=1&b=2**")
        assert page.get_by_role("heading", level=1).inner_text().startswith("What changed from run 1")
        rows = page.locator("table", has_text="Units whose label changed").locator("tbody tr")
        changed = {cells[0]: cells[-1] for cells in (row.locator("td").all_inner_texts() for row in rows.all())}
        assert (changed["0"], changed["1"]) == ("changed", "lost") and "gained" in changed.values()
        rows.first.get_by_role("link").first.click()
        page.wait_for_url(re.compile(rf"{links.layer(MODEL, 1, 'conv1')}/\d+$"))
        assert heard == []


def test_a_label_is_accepted_and_then_corrected_by_who_has_logged_in(browser: Browser, office: Office, script: bool) -> None:
    where = links.unit(MODEL, 1, "conv1", 6 if script else 7)
    with window_of(browser, office, script) as window:
        page = window.new_page()
        heard = quiet(page)
        page.goto(where)
        assert page.get_by_role("button", name="Accept").count() == 0
        logged_in(page, office)
        page.wait_for_url(f"**{where}")
        page.get_by_role("button", name="Accept").click()
        page.wait_for_url(f"**{where}#review")
        said = page.locator("#review p")
        assert said.count() == 1 and said.first.inner_text().startswith("ann accepted ")
        page.get_by_label("Better label").fill("spokes <b>of</b> wheels")
        page.get_by_label("Comment").fill("never the tyre")
        page.get_by_role("button", name="Relabel").click()
        expect(page.locator("#review")).to_contain_text("spokes <b>of</b> wheels")
        assert "never the tyre" in page.locator("#review").inner_text()
        assert page.get_by_text("A review says spokes <b>of</b> wheels.").is_visible()
        if script:
            accessible(page)
        page.goto("/units?reviewed=relabelled&all_runs=true")
        assert page.locator(f".hit a[href='{where}']").count() > 0
        page.goto("/login")
        page.get_by_role("button", name="Log out").click()
        page.goto(where)
        assert page.get_by_role("button", name="Accept").count() == 0 and "ann relabelled" in page.locator("#review").inner_text()
        assert heard == []


def test_a_run_is_ordered_and_watched_until_it_is_done(browser: Browser, office: Office, script: bool) -> None:
    with window_of(browser, office, script) as window:
        page = window.new_page()
        heard = quiet(page)
        page.goto("/")
        page.get_by_role("link", name="Jobs").click()
        logged_in(page, office)
        page.wait_for_url("**/jobs")
        page.get_by_label("Network").select_option("four-units")
        page.get_by_label("Data set").select_option("squares")
        page.get_by_label("Images").fill("12" if script else "18")
        if script:
            accessible(page)
        page.get_by_role("button", name="Submit").click()
        page.wait_for_url(re.compile(r"/jobs/\d+$"))
        heading = page.get_by_role("heading", level=1)
        assert heading.inner_text().endswith(": queued") and page.get_by_role("button", name="Cancel").is_visible()
        with office.work() as worker:
            expect(heading).to_have_text(re.compile(": done$"), timeout=90_000)
            said, _ = worker.communicate(timeout=30)
        assert worker.returncode == 0, said
        assert page.get_by_role("button", name="Cancel").count() == 0
        if script:
            accessible(page)
        page.get_by_role("link", name=re.compile(r"^run \d+$")).click()
        page.wait_for_url("**/runs/*")
        page.get_by_role("link", name="units", exact=True).click()
        page.get_by_label("Order").select_option("index")
        if not script:
            page.get_by_role("button", name="Apply").click()
        page.wait_for_url("**order=index**")
        assert page.locator(".rows .label").all_inner_texts()[:3] == ["red", "green", "blue"]
        assert heard == []
