"""Findings and reports survive JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.audit.finding import (
    KINDS,
    STATES,
    AuditReport,
    Comparison,
    Family,
    Finding,
    Group,
    Power,
    WordCounts,
    finding_from_plain,
    report_from_plain,
)
from dissect.errors import DataError

REAL = st.floats(-5, 5)
FINDINGS = st.builds(
    Finding, st.sampled_from(KINDS), st.text(max_size=5), st.none() | st.integers(0, 99), st.text(max_size=5), st.sampled_from(STATES),
    st.text(max_size=5), st.lists(st.builds(Group, st.text(max_size=4), st.integers(0, 9), st.none() | st.integers(0, 9))).map(tuple),
    st.none() | REAL, st.text(max_size=5), st.none() | st.tuples(REAL, REAL), st.none() | st.floats(0, 1), st.none() | st.floats(0, 1),
    st.lists(st.text(max_size=4)).map(tuple), st.dictionaries(st.text(max_size=4), REAL), st.text(max_size=5), st.text(max_size=5),
)  # fmt: skip
WHOLE = AuditReport(
    "demo", (Finding("mask", "layer6", 3, "face", "found", effect=0.1, effect_name="IoU"),), "other", ("all",), ("nothing",),
    (Family("response", 10, 1),), (Power("age", (60, 70), 0.4, "standardised difference"),),
    (WordCounts("faces", "a.csv", 3, 9, 1, 2, 3, (("heads", 2),), (("surface", 1),), (("head of lettuce", 1),),
                (("face", 2),), 3, (2, 1, 0), 0.4, (("layer1", 3, "a head"),)),),
    (Comparison("description", "faces", "a", "b", 10, 10, 3, 1, 0.2, (-0.1, 0.5), 0.3),), {"match": ["brightness"]},
)  # fmt: skip


@given(FINDINGS)
def test_a_finding_survives_json(finding: Finding) -> None:
    assert finding_from_plain(json.loads(json.dumps(finding.as_plain()))) == finding


def test_a_report_survives_json_with_every_part() -> None:
    plain = json.loads(json.dumps(WHOLE.as_plain()))
    assert replace(report_from_plain(plain), settings={}) == replace(WHOLE, settings={})
    assert report_from_plain(plain).as_plain() == plain


def test_every_state_is_counted_also_where_there_is_none() -> None:
    assert WHOLE.counts() == {"found": 1, "not found": 0, "not testable": 0}


@pytest.mark.parametrize("wrong", [{"kind": "guess"}, {"state": "perhaps"}, {"colour": 1}])
def test_a_foreign_finding_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(DataError):
        finding_from_plain(WHOLE.findings[0].as_plain() | wrong)


def test_another_format_and_missing_fields_are_refused() -> None:
    with pytest.raises(DataError, match="format"):
        report_from_plain({**WHOLE.as_plain(), "format": 99})
    with pytest.raises(DataError, match="of"):
        report_from_plain({"format": 1})
