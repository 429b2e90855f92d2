"""Many readers and one writer at once (trust.md R5): 50 people at one `dissect serve`, while runs are written into its database.

    python -m benchmarks.readers --seconds 60                      # SQLite
    python -m benchmarks.readers --seconds 60 --database postgresql+psycopg://postgres@127.0.0.1/scratch

Every reader asks for a page or its data, looks at the answer for a while (on average `--pause` seconds), and asks again. The writer
replaces the layer that they look at, again and again, each time with another label on all of its units at once: an answer in which two
labels meet is a torn read. Server, writer and readers are processes of one machine and share its cores.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dissect.store import LabelEntry, LayerRecord, LayerResult, Store
from tests.store.made_up_runs import save_world, spec, unit

UNITS = 100
EARLY = 5.0
LISTED = f"/api/v1/m/tiny/r/1/conv1/units?limit={UNITS}&order=index"
PATHS = (LISTED, LISTED, "/m/tiny/r/1/conv1/{unit}", "/api/v1/m/tiny/r/1/conv1/{unit}", "/m/tiny/r/1/conv1", "/units?q=generation", "/jobs")
ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Seen:
    """What readers saw: seconds of every answer, what went wrong, and how many different labels there were.

    early: answers of the first `EARLY` seconds, when fifty readers come at once and everything is asked for the first time.
    """

    seconds: list[float] = field(default_factory=list)
    early: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    generations: set[str] = field(default_factory=set)
    writes: int = 0

    def lines(self) -> list[str]:
        """For a person."""
        answers = len(self.seconds) + len(self.early)
        return [
            f"{answers} answers, {len(self.errors)} errors, {len(self.torn)} torn reads, {len(self.generations)} states seen, "
            f"{self.writes} layers written",
            f"first {EARLY:.0f} s: {_quantiles(self.early)}",
            f"after that: {_quantiles(self.seconds)}",
            *self.errors[:5],
            *self.torn[:5],
        ]


def _quantiles(seconds: list[float]) -> str:
    if not seconds:
        return "no answers"
    ordered = sorted(seconds)
    p95, p99 = (1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)] for share in (0.95, 0.99))
    return f"median {1000 * statistics.median(ordered):.0f} ms, p95 {p95:.0f} ms, p99 {p99:.0f} ms, slowest {1000 * ordered[-1]:.0f} ms"


def layer(generation: int) -> LayerResult:
    """A layer whose units all say the same."""
    label = LabelEntry(f"generation {generation}", "description", "milan", score=1.0, score_kind="pmi")
    return LayerResult(LayerRecord("conv1", UNITS), tuple(unit(index, label) for index in range(UNITS)), images=20)


def write(url: str, seconds: float, pause: float = 0.1) -> int:
    """Replace the layer and queue a job until the time is over. Returns how often."""
    with Store.open(url) as store:
        queue, count, stop = store.jobs(), 0, time.monotonic() + seconds
        while time.monotonic() < stop:
            count += 1
            store.write_layer(1, layer(count))
            queue.cancel(queue.submit({"model": "demo", "data": "demo"}, "writer@local").id)
            time.sleep(pause)
    return count


def read(host: str, seconds: float, pause: float, seed: int, seen: Seen) -> None:
    """One reader."""
    dice, start = random.Random(seed), time.monotonic()
    stop = start + seconds
    connection = http.client.HTTPConnection(host, timeout=60)
    time.sleep(dice.uniform(0, pause))
    while time.monotonic() < stop:
        path = dice.choice(PATHS).format(unit=dice.randrange(UNITS))
        began = time.perf_counter()
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, http.client.RemoteDisconnected | ConnectionResetError):  # the server ends connections that rest
                connection.close()
                continue
            seen.errors.append(f"{path}: {type(error).__name__}: {error}")
            connection.close()
            continue
        (seen.early if time.monotonic() < start + EARLY else seen.seconds).append(time.perf_counter() - began)
        if answer.status != 200:
            seen.errors.append(f"{path}: {answer.status} {content[:200]!r}")
        elif path == LISTED:
            _look(content, seen)
        time.sleep(dice.uniform(0, 2 * pause))
    connection.close()


def _look(content: bytes, seen: Seen) -> None:
    units = json.loads(content)["units"]
    labels = {found["label"] for found in units}
    seen.generations |= labels
    if len(labels) != 1 or len(units) != UNITS:
        seen.torn.append(f"{len(units)} units with {sorted(map(str, labels))}")


@contextlib.contextmanager
def served(url: str) -> Iterator[str]:
    """A server over the database; its host and port."""
    command = [sys.executable, "-m", "dissect", "serve", "--port", "0", "--db", url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[0].removeprefix("http://").rstrip("/")
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def measure(url: str, seconds: float, readers: int = 50, pause: float = 1.0) -> Seen:
    """Readers and a writer at a new database."""
    with Store.open(url) as store:
        run = store.begin_run(spec(save_world(store)))
        store.write_layer(run.id, layer(0))
        store.finish_run(run.id)
    seen = Seen()
    with served(url) as host:
        threads = [threading.Thread(target=read, args=(host, seconds, pause, seed, seen)) for seed in range(readers)]
        code = "import sys; from benchmarks.readers import write; print(write(sys.argv[1], float(sys.argv[2])))"
        writer = subprocess.Popen([sys.executable, "-c", code, url, str(seconds)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        words, _ = writer.communicate(timeout=120)
        if writer.returncode != 0:
            seen.errors.append(f"the writer ended with {writer.returncode}")
        seen.writes = int(words or 0)
    return seen


def main() -> int:
    """Measure and print; 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--pause", type=float, default=3.0, help="seconds that a reader looks at an answer, on average")
    parser.add_argument("--database", help="an empty database; default: a new SQLite file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = measure(given.database or f"sqlite:///{folder}/readers.db", given.seconds, given.readers, given.pause)
    print("\n".join(seen.lines()))
    return 1 if seen.errors or seen.torn else 0


if __name__ == "__main__":
    sys.exit(main())
