"""How large the served pages are and how long the service works on each, with 2 units and with 200,000 made-up ones.

python -m benchmarks.pages [--models 20] [--layers 5] [--units 2000] [--repeats 15] [--keep FOLDER] [--also FILE ...]

The databases are SQLite files as `benchmarks.search` fills them; FOLDER keeps the large one, as `search.db`. FILE: further databases, such
as that of the demo, whose units have pictures with masks. The application is asked in this process, so that "own" is all of the work:
questions to the database, template, answer; "wall" holds what else the machine did meanwhile.
Exits 1 if a page is larger than 300 kB, or its own 95th percentile is above 500 ms (a comparison of 10,000 pairs of units is the slowest).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fastapi.testclient import TestClient

from benchmarks.common import check, leave, machine
from benchmarks.search import fill, make_world, percentile
from dissect.serve import links
from dissect.serve.app import create_app
from dissect.serve.settings import Settings
from dissect.store import Store, UnitFilter, UnitView

MOST_BYTES = 300_000
MOST_MS = 500.0


@dataclass
class Timed:
    """A page: bytes of its HTML, milliseconds by the clock and of this process's processors, each time."""

    size: int = 0
    wall: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)

    def line(self, name: str) -> str:
        times = [of(values) for values in (self.own, self.wall) for of in (statistics.median, percentile)]
        return f"{self.size / 1000:7.1f} {' '.join(f'{each:8.1f}' for each in times)}  {name}"


def addresses(store: Store) -> dict[str, str]:
    """What a person opens: name of the page -> its address. Deep pages begin behind the tenth."""
    runs, strongest = store.runs(limit=2), store.units(UnitFilter(newest=True), limit=1, exemplars=0)[0]
    newest = runs[0]
    layer = links.layer(newest.model, newest.id, newest.layers[0])
    return {
        "first page": "/",
        "all units": "/units",
        "all units, a deep page": _deep("/units", store.units(UnitFilter(newest=True), limit=240, exemplars=0)),
        "search: wheel": "/units?q=wheel",
        "search: dog, category object": "/units?q=dog&category=object",
        "search: animal, most of them narrower": "/units?q=animal",
        "search: car, as far as it may go": "/units?q=car&limit=200",
        "search without results, with a near name": "/units?q=acordion+wheell",
        "search without results": "/units?q=zzyzx",
        "run": links.run(newest.id),
        "layer": layer,
        "layer, a deep page": _deep(layer, store.units(UnitFilter(run=newest.id, layer=newest.layers[0]), limit=480, exemplars=0)),
        "layer, as far as it may go": f"{layer}?limit=200",
        "unit": links.unit(strongest.model, strongest.run_id, strongest.layer, strongest.index),
        "unit, the first of its layer": f"{layer}/0",
        **_concepts(store),
        **({"compare, two runs": f"/compare?a={runs[1].id}&b={newest.id}"} if len(runs) > 1 else {}),
    }


def _deep(path: str, before: Sequence[UnitView]) -> str:
    return links.with_query(path, {"after": before[-1].cursor})


def _concepts(store: Store) -> dict[str, str]:
    """The pages of the concept with most units and of one in the middle."""
    carried = sorted((each for each in store.concepts() if each.units), key=lambda each: (-each.units, each.name))
    picked = {"concept with most units": carried[:1], "concept with few units": carried[-1:]}
    return {name: links.concept(found.category, found.name) for name, some in picked.items() for found in some}


def timed(client: TestClient, address: str, repeats: int) -> Timed:
    """Load a page `repeats` times, after one that does not count."""
    found = Timed(len(_page(client, address)))
    for _ in range(repeats):
        began, worked = time.perf_counter(), time.process_time()
        _page(client, address)
        found.own.append((time.process_time() - worked) * 1000)
        found.wall.append((time.perf_counter() - began) * 1000)
    return found


def _client(store: Store, thumbnails: Path | None) -> TestClient:
    return TestClient(create_app(store, Settings(thumbnails)), base_url="http://127.0.0.1")


def _page(client: TestClient, address: str) -> bytes:
    answer = client.get(address)
    if answer.status_code != 200:
        raise SystemExit(f"error: {address} answered {answer.status_code}: {answer.text[:300]}")
    return answer.content


def measure(file: Path, thumbnails: Path | None, repeats: int) -> list[bool]:
    """Print a line for each page of a database. Returns what held."""
    pages: dict[str, Timed] = {}
    with Store.open(f"sqlite:///{file}") as store, _client(store, thumbnails) as client:
        counts = store.counts()
        print(f"\n{file.name}: {counts['unit']:,} units, {counts['label']:,} labels, {counts['concept']:,} concepts")
        print(f"{'kB':>7} {'own p50':>8} {'own p95':>8} {'wall p50':>8} {'wall p95':>8}  page")
        for name, address in addresses(store).items():
            pages[name] = timed(client, address, repeats)
            print(pages[name].line(name), flush=True)
    largest = max(pages.values(), key=lambda page: page.size)
    slowest = max(percentile(page.own) for page in pages.values())
    return [
        check(f"{file.name}: largest page, kB", largest.size / 1000, MOST_BYTES / 1000, at_most=True),
        check(f"{file.name}: slowest page, own p95, ms", slowest, MOST_MS, at_most=True),
    ]


def main() -> None:
    """Fill, measure, and compare with the floors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("models", 20), ("layers", 5), ("units", 2_000), ("repeats", 15)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--also", type=Path, nargs="*", default=[], metavar="FILE")
    options = parser.parse_args()
    print(machine())
    world, held = make_world(), []
    with tempfile.TemporaryDirectory() as folder:
        two, many = Path(folder) / "two.db", (options.keep or Path(folder)) / "search.db"
        for file, size in ((two, (2, 1, 1)), (many, (options.models, options.layers, options.units))):
            with Store.open(f"sqlite:///{file}") as store:
                fill(store, world, *size)
        for file in (two, many, *options.also):
            thumbnails = file.parent / "cache" / "thumbs"
            held += measure(file, thumbnails if thumbnails.is_dir() else None, options.repeats)
    leave(held)


if __name__ == "__main__":
    main()
