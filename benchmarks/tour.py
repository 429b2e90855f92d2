"""The pictures of the tour: the served pages of the demo in a real browser, as WebP files.

python -m benchmarks.tour --home FOLDER [--output docs/tour]

FOLDER is a home as `dissect demo` leaves it; what it lacks is computed: the demo itself, the tests of its labels, three units switched
off. For the comparison a copy of its database gets a second run under another quantile. Needs Playwright and a Chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from dissect.atomic import write_bytes
from dissect.serve import links
from dissect.serve.server import address_of, listen, serve
from dissect.serve.settings import Settings
from dissect.store import Store, UnitFilter, UnitView

MOST_BYTES = 120_000
QUALITIES = (80, 70, 60, 50, 40)
DESK, TALL, PHONE = (1280, 900), (1280, 1400), (390, 844)
WORD = "tree"


@dataclass(frozen=True)
class Shot:
    """One picture: name of its file, address, window in CSS pixels, dots a pixel, scheme of colours."""

    name: str
    path: str
    size: tuple[int, int] = DESK
    scale: float = 1.0
    scheme: str = "light"


def dissect(home: Path, *words: str) -> None:
    """A command on the home folder.

    Raises:
        SystemExit: it failed.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DISSECT_")}
    done = subprocess.run([sys.executable, "-m", "dissect", *words], env={**kept, "DISSECT_HOME": str(home)}, stdout=subprocess.DEVNULL)
    if done.returncode not in (0, 3):
        raise SystemExit(f"error: dissect {' '.join(words)} ended with {done.returncode}.")


def prepare(home: Path) -> UnitView:
    """Compute what the home lacks. Returns the unit to be shown: of the strongest that were switched off, the one that matters most."""
    database = home / "dissect.db"
    if not database.is_file():
        dissect(home, "demo")
    with _opened(database) as store:
        layer = store.run("latest").layers[-1]
        tested = store.units(UnitFilter(run="latest", survives=True), limit=1, exemplars=0)
        ablated = store.ablations(store.run("latest").id, layer)
    if not tested:
        dissect(home, "verify", "latest")
    if not ablated:
        dissect(home, "ablate", "latest", "--layer", layer, "--top", "3")
    with _opened(database) as store:
        effects = [each for each in store.ablations(store.run("latest").id, layer) if len(each.members) == 1 and each.dose == 0]
        return store.unit(None, layer, max(effects, key=lambda each: each.effect or 0.0).members[0], run="latest")


def shots(unit: UnitView) -> list[Shot]:
    """What is shown of the demo."""
    here = links.unit(unit.model, unit.run_id, unit.layer, unit.index)
    return [
        Shot("search", links.with_query("/units", {"q": WORD})),
        Shot("unit", here),
        Shot("layer", links.layer(unit.model, unit.run_id, unit.layer), TALL),
        Shot("unit-phone", here, PHONE, 1.5, "dark"),
    ]


@contextlib.contextmanager
def compared(home: Path) -> Iterator[tuple[Path, Shot]]:
    """A copy of the database with a second run on the same activations, and the page that sets them side by side."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "compared.db"
        dissect(home, "db", "backup", str(copy))
        with _opened(copy) as store:
            first = store.run("latest").id
        dissect(home, "--db", f"sqlite:///{copy}", "score", str(first), "--quantile", "0.01", "--no-report")
        with _opened(copy) as store:
            second = store.run("latest").id
        yield copy, Shot("compare", links.with_query("/compare", {"a": first, "b": second}), TALL)


@contextlib.contextmanager
def served(database: Path, thumbnails: Path) -> Iterator[str]:
    """The address of a service over the database, read-only, in a thread that ends with this process."""
    with _opened(database) as store:
        opened, up = listen("127.0.0.1", 0), threading.Event()
        threading.Thread(target=serve, args=(store, Settings(thumbnails), opened, up.set), daemon=True).start()
        if not up.wait(30):
            raise SystemExit("error: the service did not start in 30 seconds.")
        yield address_of(opened)


def take(browser: Browser, address: str, shot: Shot) -> bytes:
    """The picture as WebP."""
    width, height = shot.size
    with browser.new_context(
        base_url=address, viewport={"width": width, "height": height}, device_scale_factor=shot.scale, color_scheme=shot.scheme  # type: ignore[arg-type]
    ) as window:
        page = window.new_page()
        answer = page.goto(shot.path, wait_until="networkidle")
        if answer is None or not answer.ok:
            raise SystemExit(f"error: {shot.path} answered {answer.status if answer else 'nothing'}.")
        return small(page.screenshot())


def small(png: bytes) -> bytes:
    """The picture as WebP, at the best quality at which it takes at most 120 kB."""
    picture, data = Image.open(io.BytesIO(png)).convert("RGB"), b""
    for quality in QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=quality, method=6)
        data = buffer.getvalue()
        if len(data) <= MOST_BYTES:
            return data
    raise SystemExit(f"error: a picture takes {len(data):,} bytes at quality {QUALITIES[-1]}.")


def show(database: Path, home: Path, wanted: Sequence[Shot], output: Path) -> None:
    """Take the pictures of one database and write them."""
    with served(database, home / "cache" / "thumbs") as address, sync_playwright() as player:
        browser = player.chromium.launch(executable_path=_chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"])
        for shot in wanted:
            data = take(browser, address, shot)
            write_bytes(output / f"{shot.name}.webp", data)
            print(f"{output / shot.name}.webp: {len(data) / 1000:.0f} kB, {shot.path}", flush=True)
        browser.close()


def _opened(database: Path) -> Store:
    return Store.open(f"sqlite:///{database}", create=False)


def _chromium() -> str | None:
    """A browser of the system; None for the one that Playwright installed."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def main() -> None:
    """Prepare, serve, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--output", type=Path, default=Path("docs/tour"), metavar="FOLDER")
    options = parser.parse_args()
    home, output = options.home.resolve(), options.output
    output.mkdir(parents=True, exist_ok=True)
    show(home / "dissect.db", home, shots(prepare(home)), output)
    with compared(home) as (copy, shot):
        show(copy, home, [shot], output)


if __name__ == "__main__":
    main()
