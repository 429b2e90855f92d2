"""Audits of a run: kept whole, listed, searched by finding, and gone with their run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dissect.audit.finding import AuditReport, Comparison, Finding, Group, WordCounts
from dissect.errors import NotFoundError, StoreError
from dissect.store import FindingFilter, RunRecord, Store
from tests.store.made_up_runs import save_world, small_layer, spec

FOUND = Finding(
    "response", "conv1", 3, "gender", "found", "woman", (Group("woman", 60, 50), Group("man", 70)), 0.8, "AUROC", (0.7, 0.9), 0.001, 0.02,
    ("brightness",), {"brightness": 0.03}, "", "fires more for women", {"pairs": 55},
)  # fmt: skip
UNTESTED = Finding("mask", "", None, "face", "not testable", reason="no such concept")
REPORT = AuditReport(
    "tiny", (FOUND, UNTESTED), "other", ("gender",), ("face: no such concept",), words=(WordCounts("faces", "labels", 5, 5, 0, 0, 1),),
    comparisons=(Comparison("mask", "face", "a", "b", 5, 5, 1, 0, 0.2, (-0.1, 0.5), 1.0),), settings={"match": ["brightness"]},
)  # fmt: skip


def a_run(store: Store) -> RunRecord:
    run = store.begin_run(spec(save_world(store)))
    store.write_layer(run.id, small_layer())
    return run


def test_an_audit_comes_back_as_it_was_written(store: Store) -> None:
    run = a_run(store)
    record = store.write_audit(run.id, "f" * 64, REPORT)
    again, report = store.audit(record.id)
    assert again == record and report.as_plain() == REPORT.as_plain() and report.findings == REPORT.findings
    assert record.counts == {"found": 1, "not found": 0, "not testable": 1}
    assert (record.model, record.against) == ("tiny", "other")


def test_the_same_audit_again_replaces_the_first_and_another_stands_beside_it(store: Store) -> None:
    run = a_run(store)
    first = store.write_audit(run.id, "a" * 64, REPORT)
    again = store.write_audit(run.id, "a" * 64, replace(REPORT, findings=(UNTESTED,)))
    other = store.write_audit(run.id, "b" * 64, REPORT)
    assert again.id == first.id and [each.id for each in store.audits(run.id)] == [other.id, first.id]
    assert store.counts()["finding"] == 3


def test_findings_are_found_by_what_they_are_about(store: Store) -> None:
    run = a_run(store)
    store.write_audit(run.id, "a" * 64, REPORT)
    assert [view.finding for view in store.findings()] == [FOUND, UNTESTED]
    assert [view.finding for view in store.findings(FindingFilter(layer="conv1", unit=3, run="latest"))] == [FOUND]
    assert [view.finding for view in store.findings(FindingFilter(state="not testable", kind="mask"))] == [UNTESTED]
    assert store.findings(FindingFilter(subject="age")) == []


def test_a_deleted_run_takes_its_audits_along(store: Store) -> None:
    run = a_run(store)
    store.write_audit(run.id, "a" * 64, REPORT)
    store.delete_run(run.id)
    assert store.counts()["audit"] == store.counts()["finding"] == 0


def test_what_is_not_there_is_refused(store: Store) -> None:
    run = a_run(store)
    with pytest.raises(StoreError, match="unit 99"):
        store.write_audit(run.id, "a" * 64, replace(REPORT, findings=(replace(FOUND, unit=99),)))
    assert store.audits() == []
    with pytest.raises(NotFoundError, match="audit 7"):
        store.audit(7)
    with pytest.raises(NotFoundError):
        store.write_audit(run.id + 1, "a" * 64, REPORT)
