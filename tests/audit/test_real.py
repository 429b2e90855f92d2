"""A full audit of a real network on real heads, which says plainly what so few pictures cannot support."""

from __future__ import annotations

from pathlib import Path

import pytest

from dissect.audit.response_findings import report
from tests.audit.heads import audited

pytestmark = [pytest.mark.shared, pytest.mark.slow]


def test_effects_rank_units_as_the_networks_own_read_out_does_and_small_groups_are_refused(shared: Path, tmp_path: Path) -> None:
    found = audited(shared, tmp_path)
    assert found.heads[0] > 250 and found.heads[1] > 20
    assert found.rank > 0.5 and found.by_spread > found.rank
    for result in (found.response, found.effect):
        said = report("age and gender network", result)
        refused = {finding.subject: finding.reason for finding in said.findings if finding.state == "not testable" and finding.unit is None}
        assert {"word", "tie", "suit"} <= set(refused) and all(
            "at least 50 are needed" in refused[name] for name in ("word", "tie", "suit")
        )
        assert any("word" in line and "50" in line for line in said.untested)
        tested = {table.contrast.subject for table in result.tables if not table.reason}
        assert {"dress", "sunglasses"} <= tested
        assert said.families[0].tests > 1000 and said.power
