"""Gates: a small grammar, refused with the place where it cannot be read, and never passed by a slip of the pen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.audit.finding import KINDS, AuditReport, Finding, WordCounts
from dissect.audit.gate import COMPARE, Clause, Condition, GateError, judge, parse, strength
from dissect.errors import UsageError


def found(unit: int, subject: str = "gender", effect: float = 0.9, q: float | None = 0.01, **values: object) -> Finding:
    return Finding("response", "l", unit, subject, "found", effect=effect, effect_name="AUROC", q=q, **values)  # type: ignore[arg-type]


REPORT = AuditReport("net", (
    found(0, value="woman"), found(1, effect=0.15, q=0.04, value="man"), found(1, "skin tone", effect=0.6, q=None),
    Finding("mask", "l", 4, "face", "found", effect=0.1, effect_name="IoU"), Finding("mask", "l", 5, "face", "not found"),
    Finding("response", "", None, "age", "not testable"),
))  # fmt: skip


@pytest.mark.parametrize(("text", "failed"), [
    ("gender: any", True), ("gender", True), ("response:gender", True), ("mask:face>1", False), ("mask:face > 0", True), ("face>=1", True),
    ("gender effect>=0.8 q<=0.05", True), ("gender effect >= .86 units > 1", False), ("gender effect>=.86 units>=2", False),
    ("gender effect>=.8 units>=2", True), ("gender q < 0.005", False), ('"skin tone"', True),
    ("gender=woman", True), ("gender=woman effect > 0.95", False), ("gender = woman: any", True), ("age", True), ("age: untestable", True),
    ("*: any", True), ("face = 1", True), ("face = 2", False), ("mask:*", True), ("gender=nobody", False),
])  # fmt: skip
def test_a_clause_fails_exactly_where_it_should(text: str, failed: bool) -> None:
    (verdict,) = judge(parse(text), REPORT)
    assert verdict.failed is failed and ("FAILED" in verdict.text) is failed


def test_clauses_are_judged_one_by_one() -> None:
    verdicts = judge(parse("gender; face > 10; age untestable;"), REPORT)
    assert [verdict.failed for verdict in verdicts] == [True, False, True] and verdicts[0].units == 2


@pytest.mark.parametrize(("text", "position"), [
    ("", 0), ("gender >", 8), ("gender > many", 9), ("gender effect 3", 14), (": any", 0), ("gender colour > 3", 7), ("gender; ; face", 8),
    ("mask:", 5), ('"" any', 0), ('"open', 0), ("gender > -1", 9), ("gender effect", 13),
])  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_place(text: str, position: int) -> None:
    with pytest.raises(GateError, match=rf"character {position + 1}\b") as caught:
        parse(text)
    assert caught.value.position == position and caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["gendr: any", "mask:gender", "description:*"])
def test_a_gate_on_something_that_was_not_audited_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="response:gender"):
        judge(parse(text), REPORT)


def test_strength_is_the_distance_in_either_direction() -> None:
    assert strength(found(0, effect=0.2)) == pytest.approx(0.8) and strength(Finding("effect", "l", 1, "x", "found", effect=-2.0)) == 2
    assert strength(Finding("mask", "l", 1, "x", "found")) is None


NAMES = st.text(min_size=1, max_size=6).filter(lambda text: '"' not in text and text != "*")
CONDITIONS = st.builds(
    Condition, st.sampled_from(["effect", "q", "p", "units"]), st.sampled_from(sorted(COMPARE)), st.integers(0, 99).map(float)
)
CLAUSES = st.builds(
    Clause, st.sampled_from(["", *KINDS]), NAMES | st.just("*"), NAMES | st.just(""), st.booleans(), st.lists(CONDITIONS).map(tuple)
)


@given(CLAUSES)
def test_what_is_written_is_read_back(clause: Clause) -> None:
    assert parse(str(clause)) == (clause,)


@pytest.mark.parametrize("text", ["* p <= 1", '"skin tone" q <= 1'])
def test_a_measure_that_no_finding_has_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="could never fail"):
        judge(parse(text), REPORT)


def test_a_clause_about_what_could_not_be_tested_fails_and_says_why() -> None:
    (verdict,) = judge(parse("age"), REPORT)
    assert verdict.failed and "nothing could be tested" in verdict.text
    words = WordCounts("faces", "a run without labels", 0, 0, 0, 0, 0)
    nothing = AuditReport("empty", findings=(Finding("description", "", None, "faces", "not found"),), words=(words,))
    (verdict,) = judge(parse("faces: any"), nothing)
    assert verdict.failed and "nothing could be tested" in verdict.text
