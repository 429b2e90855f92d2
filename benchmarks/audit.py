"""How right and how fast the audit's statistics are. No option: planted truth over 50 seeds, and the time of one audit.

python -m benchmarks.audit [--seeds 50]      planted units: power, false discoveries, the confounded unit; exit 1 if a floor is missed
python -m benchmarks.audit --speed           1,000 units x 2,000 images
python -m benchmarks.audit --real SHARED     the age and gender network on head crops of real photographs
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.common import check, leave, machine
from dissect.audit.groups import Subjects
from dissect.audit.planted import KINDS, Outcome, mean_interval, noise, outcome, planted, rules
from dissect.audit.response import Rules, audit_responses
from dissect.audit.warm import warm


def planted_table(seeds: int, *, units: int = 1000) -> list[bool]:
    """Audit planted units with this many seeds, print the table, and say which floors held."""
    outcomes: list[Outcome] = []
    for seed in range(seeds):
        truth = planted(seed, units=units)
        outcomes.append(outcome(truth, audit_responses({"planted": truth.responses}, truth.of, rules())))
    print(f"\n{seeds} seeds, {units:,} units that answer to nothing and 10 of each kind, 600 drawn people with 1 to 3 pictures")
    print(f"{'units':<12}{'found unmatched':>18}{'found matched':>18}")
    for kind in KINDS:
        shares = np.array([each.power[kind] for each in outcomes])
        print(f"{kind:<12}{shares[:, 0].mean():>18.3f}{shares[:, 1].mean():>18.3f}")
    held = []
    for place, name in enumerate(("unmatched", "matched")):
        mean, low, high = mean_interval([each.false[place] for each in outcomes])
        print(f"false share of discoveries, {name}: mean {mean:.4f} (95 % interval {low:.4f} to {high:.4f})")
        held.append(check(f"lower end of that interval, {name}", low, 0.05, at_most=True))
    strong, confounded = (np.array([each.power[kind] for each in outcomes]).mean(axis=0) for kind in ("strong", "confounded"))
    held.append(check("strong units found, unmatched", float(strong[0]), 0.9, at_most=False))
    held.append(check("strong units found, matched", float(strong[1]), 0.9, at_most=False))
    held.append(check("confounded units found, unmatched", float(confounded[0]), 0.9, at_most=False))
    held.append(check("confounded units found, matched", float(confounded[1]), 0.05, at_most=True))
    return held


def speed(units: int = 1000, images: int = 2000) -> list[bool]:
    """One attribute, unmatched and matched, with intervals."""
    random = np.random.default_rng(0)
    values = np.maximum(noise(random, np.arange(images), units), 0).astype(np.float32)
    group = np.where(random.random(images) < 0.5, "one", "two")
    everyone = np.arange(images)
    light = random.standard_normal(images)
    of = Subjects(everyone.astype(np.int32), {"group": group}, everyone, False, np.ones(images, np.bool_), {"brightness": light})
    held = []
    for name, bootstrap in (("without intervals", 0), ("with 1,000 bootstrap draws", 1000)):
        began, cpu = time.perf_counter(), time.process_time()
        audit_responses({"layer": values}, of, Rules(confounders=("brightness",), bootstrap=bootstrap))
        wall, spent = time.perf_counter() - began, time.process_time() - cpu
        print(f"{units:,} units x {images:,} images, unmatched and matched, {name}: {wall:.1f} s ({spent:.1f} s of processor time)")
        held.append(check(f"seconds of processor time {name}", spent, 60.0, at_most=True))
    return held


def main() -> None:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--units", type=int, default=1000)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--real", type=Path)
    chosen = parser.parse_args()
    print(machine())
    warm()
    if chosen.real is not None:
        from benchmarks.audit_real import show

        with tempfile.TemporaryDirectory() as folder:
            show(chosen.real, Path(folder))
        return
    leave(speed() if chosen.speed else planted_table(chosen.seeds, units=chosen.units))


if __name__ == "__main__":
    main()
