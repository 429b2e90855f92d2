"""The audit by response: planted truth, persons with several images, and groups that are too small for words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dissect.audit.compare import compare_counts, compare_units
from dissect.audit.finding import finding_from_plain
from dissect.audit.groups import Subjects, contrasts, crossed, subjects, within
from dissect.audit.planted import KINDS, mean_interval, noise, outcome, planted, rules
from dissect.audit.response import Rules, audit_responses
from dissect.audit.response_findings import findings, report
from dissect.concepts.model import ImageRecord
from dissect.errors import NotFoundError, ShapeError, UsageError


def records(values: Sequence[str], groups: Sequence[str | None] | None = None, **more: Sequence[str]) -> list[ImageRecord]:
    made = []
    for k, value in enumerate(values):
        attributes = {"gender": value, **{name: column[k] for name, column in more.items()}}
        made.append(ImageRecord(k, f"{k:03d}", Path(f"{k}.png"), None if groups is None else groups[k], None, attributes))
    return made


def people(values: Sequence[str], groups: Sequence[str | None] | None = None, **more: Any) -> Subjects:
    return subjects(records(values, groups, **more), np.arange(len(values), dtype=np.int32))


def quick(**more: Any) -> Rules:
    return Rules(**({"bootstrap": 0, "draws": 2000} | more))


def test_planted_units_are_found_and_the_confounded_one_only_without_matching() -> None:
    truth = planted(3, people=300)
    result = audit_responses({"layer": truth.responses}, truth.of, rules(attributes=("gender_presentation",)))
    found = outcome(truth, result)
    assert truth.responses.shape[1] >= 1040 and len(truth.kinds["none"]) == 1000
    assert min(found.power["strong"]) >= 0.9 and found.power["joint"][0] >= 0.9
    assert found.power["confounded"][0] >= 0.9 and found.power["confounded"][1] == 0.0
    assert max(found.false) < 0.2
    assert found.power["weak"][0] < found.power["strong"][0] or found.power["weak"][0] == 1.0


@pytest.mark.slow
def test_over_fifty_seeds_false_discoveries_keep_to_their_rate_and_strong_units_are_found(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--long"):
        pytest.skip("fifty seeds run with --long, and in `python -m benchmarks.audit`")
    outcomes = []
    for seed in range(50):
        truth = planted(seed)
        outcomes.append(outcome(truth, audit_responses({"layer": truth.responses}, truth.of, rules())))
    for place in (0, 1):
        assert mean_interval([each.false[place] for each in outcomes])[1] <= 0.05
        assert np.mean([each.power["strong"][place] for each in outcomes]) >= 0.9
    confounded = np.mean([each.power["confounded"] for each in outcomes], axis=0)
    assert confounded[0] >= 0.9 and confounded[1] <= 0.05 and set(outcomes[0].power) == set(KINDS)


def test_noise_with_persons_in_several_images_is_called_selective_no_more_often_than_the_rate() -> None:
    wrong = {"whole": 0, "split": 0}
    for seed in range(25):
        random = np.random.default_rng(seed)
        person = np.repeat(np.arange(40), 5)
        values = np.maximum(noise(random, person, 60) + 1.5 * random.standard_normal((40, 60))[person], 0).astype(np.float32)
        gender = np.where(person % 2 == 0, "a", "b").tolist()
        for name, groups in (("whole", [f"p{k}" for k in person]), ("split", None)):
            result = audit_responses({"layer": values}, people(gender, groups), quick(minimum=10, draws=3000))
            wrong[name] += bool(result.tables[0].found(0.05).any())
    assert wrong["whole"] <= 5  # 25 * .05 = 1.25; above 5 in 0.1 % of cases
    assert wrong["split"] >= 12  # the same images taken for independent ones


def test_images_of_one_person_count_once_with_their_mean() -> None:
    of = people(["a", "a", "a", "b", "b", "a"], ["p", "p", "q", "r", "r", "r"])
    contrast = contrasts(of, "gender", minimum=1)[0]
    values = np.array([[1.0], [3.0], [7.0], [10.0], [20.0], [4.0]], np.float32)
    rows = dict(
        zip(zip(contrast.member.tolist(), contrast.side.tolist(), strict=True), contrast.rows_of(values)[:, 0].tolist(), strict=True)
    )
    assert rows == {(0, True): 2.0, (1, True): 7.0, (2, False): 15.0, (2, True): 4.0}
    assert [(group.name, group.images, group.members) for group in contrast.groups] == [("a", 4, 3), ("b", 2, 1)]
    numbers = contrast.numbers(np.array([1.0, np.nan, np.nan, 2.0, 4.0, 0.0]))
    assert dict(zip(contrast.member.tolist(), numbers.tolist(), strict=False))[0] == 1.0 and np.isnan(numbers).sum() == 1


@pytest.mark.parametrize(("few", "word"), [(1, "1 image;"), (49, "49 images;")])
def test_groups_below_fifty_are_not_testable_and_say_why(few: int, word: str) -> None:
    of = people(["few"] * few + ["many"] * 80)
    result = audit_responses({"layer": np.random.default_rng(0).random((few + 80, 3), np.float32)}, of, quick())
    only = list(findings(result))
    assert [(finding.state, finding.unit, finding.p) for finding in only] == [("not testable", None, None)]
    assert word in only[0].reason and "at least 50" in only[0].reason and word in report("x", result).untested[0]
    again = people(["few"] * 50 + ["many"] * 80)
    assert contrasts(again, "gender", minimum=50)[0].reason == ""


@pytest.mark.parametrize("values", [["one"] * 60, ["", "none"] * 30, []])
def test_one_group_or_none_is_not_testable(values: list[str]) -> None:
    made = records(values) if values else records(["a", "b"])
    present = np.ones(len(made), np.bool_) if values else np.zeros(len(made), np.bool_)
    of = subjects(made, np.arange(len(made), dtype=np.int32), present)
    result = audit_responses({"layer": np.zeros((len(made), 2), np.float32)}, of, quick(confounders=("gender",)))
    assert all(finding.state == "not testable" and finding.reason for finding in findings(result))
    assert "only one group" in result.tables[0].reason or "no image has a value" in result.tables[0].reason


def test_missing_values_nobody_there_and_constant_units_are_left_out_and_said() -> None:
    random = np.random.default_rng(0)
    values = ["a"] * 60 + ["b"] * 60 + ["", "none"] * 5
    present = np.ones(130, np.bool_)
    present[:3] = False
    of = subjects(records(values), np.arange(130, dtype=np.int32), present)
    responses = random.random((130, 3), np.float32)
    responses[:, 1] = 4.0
    responses[:3, 0] = 1e6  # nobody there: must not count
    result = audit_responses({"layer": responses}, of, quick(bootstrap=50))
    table = result.tables[0]
    assert table.sizes == (57, 60) and table.contrast.missing == 10 and table.constant.tolist() == [False, True, False]
    assert np.isnan(table.p[1]) and np.isfinite(table.p[[0, 2]]).all() and report("x", result).families[0].tests == 2
    states = [finding.state for finding in findings(result)]
    assert states[1] == "not testable" and "never vary" in " ".join(report("x", result).untested)
    assert all(finding_from_plain(finding.as_plain()) == finding for finding in findings(result))


def test_cells_of_two_attributes_show_a_unit_that_answers_to_both_only() -> None:
    random = np.random.default_rng(0)
    gender, tone = random.choice(["f", "m"], 500), random.choice(["dark", "light"], 500)
    values = random.standard_normal((500, 2))
    values[:, 0] += 1.5 * ((gender == "f") & (tone == "dark"))
    values[:, 1] += 1.5 * (gender == "f")
    of = people(gender.tolist(), None, tone=tone.tolist())
    result = audit_responses({"layer": values.astype(np.float32)}, of, quick(attributes=(), crossed=(("gender", "tone"),)))
    cell = next(table for table in result.tables if table.contrast.value == "f, dark")
    assert cell.found(0.05).tolist() == [True, True]
    joint, marginal = (np.array([each[unit] for each in cell.specific.values()]) for unit in (0, 1))
    assert joint.min() > 1.0 and marginal.min() < 0.4 and set(cell.specific) == {"from other f", "from other dark"}
    part = within(of, crossed(of, "gender", "tone", minimum=1)[0], "gender", minimum=0)
    assert part.sizes == (((gender == "f") & (tone == "dark")).sum(), ((gender == "f") & (tone == "light")).sum())


def test_groups_that_cannot_be_balanced_are_not_tested_matched() -> None:
    random = np.random.default_rng(0)
    of = people(["a"] * 80 + ["b"] * 80)
    apart = Subjects(of.index, of.attributes, of.member, False, of.present, {"light": np.repeat([0.0, 50.0], 80) + random.random(160)})
    result = audit_responses({"layer": random.random((160, 2), np.float32)}, apart, quick(confounders=("light",)))
    assert result.tables[0].reason == "" and "only 0 of 80 could be matched" in result.tables[1].reason
    with pytest.raises(NotFoundError, match="no confounder 'size'"):
        audit_responses({"layer": random.random((160, 2), np.float32)}, apart, quick(confounders=("size",)))
    with pytest.raises(NotFoundError, match="gender"):
        audit_responses({"layer": random.random((160, 2), np.float32)}, apart, quick(attributes=("sex",)))
    with pytest.raises(ShapeError, match="160 images"):
        audit_responses({"layer": random.random((9, 2), np.float32)}, apart, quick())
    with pytest.raises(UsageError, match="groups of at least 2"):
        audit_responses({"layer": random.random((160, 2), np.float32)}, apart, quick(minimum=1))


def test_q_is_over_units_attributes_and_layers_together_and_the_same_seed_gives_the_same() -> None:
    random = np.random.default_rng(0)
    of = people(random.choice(["a", "b"], 200).tolist(), None, tone=random.choice(["x", "y", "z"], 200).tolist())
    layers = {"one": random.random((200, 4), np.float32), "two": random.random((200, 6), np.float32)}
    result = audit_responses(layers, of, quick())
    p = np.concatenate([table.p for table in result.tables])
    order = np.argsort(p)
    scaled = np.minimum.accumulate((p[order] * len(p) / (1 + np.arange(len(p))))[::-1])[::-1]
    np.testing.assert_allclose(np.concatenate([table.q for table in result.tables])[order], np.minimum(scaled, 1.0))
    assert len(p) == (4 + 6) * 4
    again = audit_responses(layers, of, quick())
    assert all((one.p == two.p).all() for one, two in zip(result.tables, again.tables, strict=True))


def test_two_networks_differ_in_selective_units_only_if_they_do() -> None:
    random = np.random.default_rng(0)
    of = people(["a"] * 150 + ["b"] * 150)
    contrast = contrasts(of, "gender", minimum=50)[0]
    base = random.standard_normal((300, 80))
    more = base + random.standard_normal((300, 80)) * 0.3
    more[:150, :30] += 0.9
    same = compare_counts(base, base + random.standard_normal((300, 80)) * 0.3, contrast)
    other = compare_counts(more, base, contrast, names=("new", "old"))
    assert same.interval[0] <= 0 <= same.interval[1] and same.p > 0.05
    assert other.interval[0] > 0 and other.p < 0.01 and other.first_found >= 25 and "new" in other.text
    changes = compare_units(base, more, contrast, draws=200)
    assert (changes.q[:30] <= 0.05).all() and (changes.p[30:] <= 0.05).mean() < 0.2
    assert (changes.ends[0, :30] > 0).all() and (changes.difference[:30] > 0.15).all()
    with pytest.raises(UsageError, match="cannot be compared"):
        compare_units(base, more, contrasts(of, "gender", minimum=200)[0])
    with pytest.raises(ShapeError, match="unit by unit"):
        compare_units(base, more[:, :5], contrast)
