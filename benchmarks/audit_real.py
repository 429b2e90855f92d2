"""The age and gender network on head crops: what was found, what could not be, and effects beside the network's own read-out weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from dissect.audit.response import Selectivity
from dissect.audit.response_findings import report
from tests.audit.heads import CLOTHES, LAYER, Audited, audited

MOST = 10


def show(shared: Path, folder: Path) -> None:
    """Run the audit and print it. shared: the folder of photographs and weights."""
    found = audited(shared, folder)
    print(f"{found.heads[0]} heads of Clothing Co-Parsing, {found.heads[1]} of COCO; layer {LAYER}, {len(found.units)} units")
    called = (f"{name} {share:.2f} of {count}" for name in CLOTHES for share, count in [found.called(name)])
    print(f"share that the network calls female, by clothes: {', '.join(called)}")
    _effects(found)
    for result in (found.response, found.effect):
        _audit(found, result)


def _effects(found: Audited) -> None:
    live, everyone = found.live, found.pooled.std(axis=0) > 0
    print(f"units that fire on any crop: {int(live.sum())} of {len(live)}; that do not vary: {int((~everyone).sum())}")
    gap = np.abs(found.effects - found.exact).max()
    print(f"effects against pooled activation x read-out weight: largest gap {gap:.2g}, largest effect {np.abs(found.exact).max():.3g}")
    print(f"Spearman, mean size of effect on the gender logit against |read-out weight|: {found.rank():.3f} over all units,")
    print(
        f"  {found.rank(live):.3f} over units that fire, {found.rank_by_spread(live):.3f} against |weight| x standard deviation among these"
    )


def _audit(found: Audited, result: Selectivity) -> None:
    said = report("age and gender network", result)
    print(f"\nby {result.kind}")
    for family in said.families:
        print(f"  {family.name}: {family.found} of {family.tests} tests found at {family.level:g}")
    for table in result.tables:
        if not table.reason:
            what = f"matched on {', '.join(table.matched)}" if table.matched else "unmatched"
            sizes = f"{table.sizes[0]} against {table.sizes[1]}"
            print(f"  {table.contrast.subject}, {what}: {sizes}, {int(table.found(0.05).sum())} units; smallest q {np.nanmin(table.q):.2g}")
    rank = rankdata(-np.abs(found.weights))
    for each in [each for each in said.findings if each.state == "found" and each.unit is not None][:MOST]:
        weight = found.weights[each.unit]
        print(f"  {each.subject}: unit {each.unit}, {each.effect_name} {each.effect:.3f}, q {each.q:.2g}; "
              f"read-out weight {weight:+.3f}, rank {rank[each.unit]:.0f} of {len(rank)}")  # fmt: skip
    print("\n".join(f"  {line}" for line in (*said.untested, *(power.text for power in said.power))))
