"""What audits found of a unit stands on its page, once, and nothing of what was not found."""

from __future__ import annotations

from pathlib import Path

from dissect.audit.finding import AuditReport, Finding
from dissect.exchange import report_view, write_report
from dissect.store import Store
from tests.exchange.reading import read
from tests.store.test_formulas import labelled

SAID = "Unit 0 answers more strongly to gender_presentation = feminine"


def found(unit: int | None, text: str, state: str = "found") -> Finding:
    """One finding of layer conv1."""
    return Finding("response", "conv1", unit, "gender_presentation", state, text=text)  # type: ignore[arg-type]


def test_the_unit_page_lists_what_audits_found_of_the_unit(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'dissect.db'}") as store:
        run = labelled(store)
        store.finish_run(run.id)
        report = AuditReport("tiny", findings=(found(0, SAID), found(1, "not this", "not found"), found(None, "the layer as a whole")))
        store.write_audit(run.id, "a" * 64, report)
        store.write_audit(run.id, "b" * 64, report)
        view = report_view(store, run.id)
    assert [unit.audits for unit in view.layers[0].units] == [(SAID,), *[()] * 5]
    write_report(view, tmp_path / "report")
    page, other = (" ".join(read(next((tmp_path / "report").rglob(f"unit-{index}.html"))).text) for index in (0, 1))
    assert "What audits found" in page and page.count(SAID) == 1
    assert "What audits found" not in other and "not this" not in other
