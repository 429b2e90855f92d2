"""Resident anonymous memory of a whole run over 500, 2,000 and 8,000 images, each in a process of its own.

    python benchmarks/memory.py [--sizes 500,2000,8000] [--model torchvision:resnet18@random] [--layers layer4]

The peak is the largest sum of `Anonymous` of /proc/self/smaps_rollup, sampled every 20 ms: memory-mapped cache files do not count, since
the system can drop them at any time. Baseline: the same process after it has loaded the network and run one batch.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.common import check, leave, machine, picture_set


def anonymous() -> int:
    """Resident anonymous bytes of this process."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("this system does not tell anonymous memory; the benchmark needs Linux")


class Peak(threading.Thread):
    """Samples until stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes, self._stop_asked = 0, threading.Event()

    def run(self) -> None:
        while not self._stop_asked.is_set():
            self.bytes = max(self.bytes, anonymous())
            time.sleep(0.02)

    def stop(self) -> int:
        """The peak."""
        self._stop_asked.set()
        self.join()
        return self.bytes


def child(card: str, model: str, layers: str, home: str) -> None:
    """One run; prints baseline and peak as JSON."""
    from dataclasses import replace

    from dissect.config import Config
    from dissect.pipeline.open import open_network
    from dissect.pipeline.request import RunRequest
    from dissect.pipeline.run import run_request
    from dissect.probe.progress import Quiet
    from dissect.store import Store

    config = Config(home=Path(home), database_url=f"sqlite:///{home}/dissect.db")
    request = RunRequest(model=model, data=card, layers=tuple(layers.split(",")))
    with Store.open(config.database_url) as store:
        run_request(replace(request, limit=40), config, store, Quiet())
        open_network(request, config)
        baseline = anonymous()
        peak = Peak()
        peak.start()
        outcome = run_request(request, config, store, Quiet(), report=Path(home) / "report")
        print(json.dumps({"baseline": baseline, "peak": peak.stop(), "images": outcome.run.images, "seconds": outcome.seconds}))


def main() -> None:
    """Print the peaks; exit 1 if a floor is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="500,2000,8000")
    parser.add_argument("--model", default="torchvision:resnet18@random")
    parser.add_argument("--layers", default="layer4")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], options.model, options.layers, options.child[1])
        return
    print(machine())
    peaks = []
    for size in (int(part) for part in options.sizes.split(",")):
        with tempfile.TemporaryDirectory() as name:
            card = picture_set(Path(name) / "set", size)
            words = [
                sys.executable,
                "-m",
                "benchmarks.memory",
                "--child",
                str(card),
                f"{name}/home",
                "--model",
                options.model,
                "--layers",
                options.layers,
            ]
            found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        peaks.append(found["peak"])
        ratio = found["peak"] / found["baseline"]
        print(
            f"{found['images']:6} images: peak {found['peak'] / 2**20:.0f} MiB anonymous, "
            f"{ratio:.2f} x the {found['baseline'] / 2**20:.0f} MiB "
            f"after the first 40 images; {found['seconds']:.0f} s"
        )
    held = [check("largest peak / smallest peak", max(peaks) / min(peaks), 1.10, at_most=True)]
    held.append(check("peak in GiB", max(peaks) / 2**30, 2.0, at_most=True))
    leave(held)


if __name__ == "__main__":
    main()
