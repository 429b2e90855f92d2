"""The age and gender network on head crops: what was found, what could not be, and effects beside the network's own read-out weights."""

from __future__ import annotations

from pathlib import Path

from dissect.audit.response_findings import report
from tests.audit.heads import LAYER, audited


def show(shared: Path, folder: Path) -> None:
    """Run the audit and print it. shared: the folder of photographs and weights."""
    found = audited(shared, folder)
    print(f"{found.heads[0]} heads of Clothing Co-Parsing, {found.heads[1]} of COCO; layer {LAYER}")
    print(f"Spearman, mean size of effect on the gender logit against |read-out weight|: {found.rank:.3f}")
    print(f"the same against |read-out weight| x mean largest response: {found.by_spread:.3f}")
    for result in (found.response, found.effect):
        said = report("age and gender network", result)
        print(f"\nby {result.kind}")
        for family in said.families:
            print(f"  {family.name}: {family.found} of {family.tests} tests found at {family.level:g}")
        for table in result.tables:
            if not table.reason:
                what = f"matched on {', '.join(table.matched)}" if table.matched else "unmatched"
                print(
                    f"  {table.contrast.subject}, {what}: {table.sizes[0]} against {table.sizes[1]}, {int(table.found(0.05).sum())} units"
                )
        print("\n".join(f"  {line}" for line in (*said.untested, *(power.text for power in said.power))))
