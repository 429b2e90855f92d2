"""How many labels of a real network on real photographs survive: told from chance, chosen by both halves, held out above the threshold.

    python -m benchmarks.verify_real SHARED [--permutations 200] [--resamples 1000] [--limit N]

Tiny Darknet (512 units) on CamVid, whose frames are grouped by drive, and on Clothing Co-Parsing, where every picture is its own. SHARED:
the folder of photographs and weights. No floor: what is true of these pictures is printed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.common import machine
from dissect.pipeline.verify_request import VerifyRequest
from tests.pipeline.real import UNITS, Desk, Verified, opened

SETS = (
    ("camvid", "frames of four drives, shifted within a drive, halves of whole drives"),
    ("clothing-coparsing", "300 people, one a picture"),
)


def show(found: Verified) -> None:
    """The counts, and which concepts they are of."""
    print(f"{found.images} images, {UNITS} units, {len(found.labels)} with a label")
    for what, units in (
        (f"detectors: IoU above {found.threshold:g} where the label was chosen", found.detectors),
        ("told from chance (q <= 0.05)", found.told),
        ("detectors told from chance", found.detectors & found.told),
        ("label chosen by both halves", found.agreed),
        (f"detectors that are held out above {found.threshold:g}, whatever the halves choose", found.detectors & found.held),
        (
            f"of whatever score: told from chance, chosen by both halves, held out above {found.threshold:g}",
            found.told & found.agreed & found.held,
        ),
        ("detectors that survive: told from chance, chosen by both halves, held out above the threshold", found.survivors),
    ):
        print(f"{len(units):>5}  {what}{_most(found, units)}")
    print("\n".join(found.lines))


def _most(found: Verified, units: set[int]) -> str:
    names = ", ".join(f"{name} {number}" for name, number in found.names(units).most_common(5))
    return f": {names}" if names else ""


def one(desk: Desk, data: str, words: str, request: VerifyRequest, limit: int | None) -> None:
    """One data set, printed."""
    began, cpu = time.perf_counter(), time.process_time()
    desk.run(data, limit=limit)
    middle, half = time.perf_counter(), time.process_time()
    found = desk.verified(data, request, limit=limit)
    wall, spent = time.perf_counter() - middle, time.process_time() - half
    print(f"\n{data}: {words}")
    show(found)
    print(f"run {middle - began:.0f} s ({half - cpu:.0f} s of processor time), tests {wall:.0f} s ({spent:.0f} s of processor time)")


def main() -> None:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--permutations", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--limit", type=int)
    chosen = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        desk = opened(chosen.shared, Path(folder))
        for data, words in SETS:
            one(desk, data, words, VerifyRequest(permutations=chosen.permutations, resamples=chosen.resamples), chosen.limit)


if __name__ == "__main__":
    main()
