"""The audit in the self-test: sound statistics pass; without matching, or with q-values that are none, they fail."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dissect.audit import response
from dissect.audit.matching import Matching, match
from dissect.audit.planted import Outcome
from dissect.audit.selftest import AuditTruth, audit_truth


@pytest.fixture(scope="module")
def measured() -> AuditTruth:
    return audit_truth((1,))


def test_planted_units_are_found_the_rate_is_kept_and_brightness_is_matched_away(measured: AuditTruth) -> None:
    assert measured.passed
    assert min(measured.power["strong"]) >= 0.9 and measured.power["weak"][0] < measured.power["strong"][0]
    assert measured.power["confounded"][0] >= 0.9 and measured.power["confounded"][1] <= 0.1
    assert measured.lines()[-1].endswith(": as it should be")
    assert json.loads(json.dumps(measured.as_plain(), allow_nan=False))["passed"] is True


def test_pairs_that_are_not_matched_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(side: Any, numeric: Any, *more: Any, **rest: Any) -> Matching:
        found = match(side, {name: np.random.default_rng(0).random(len(each)) for name, each in numeric.items()}, *more, **rest)
        return replace(found, after=dict.fromkeys(found.after, 0.0))

    monkeypatch.setattr(response, "match", blind)
    found = audit_truth((0,))
    assert not found.passed and found.power["confounded"][1] > 0.5
    assert found.lines()[-1].endswith("NOT AS IT SHOULD BE")


def test_p_values_in_place_of_q_values_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response, "false_discovery_control", lambda p, method: p)
    found = audit_truth((0,))
    assert not found.passed and found.false(False)[0] > 0.2


def test_a_rate_that_is_a_little_too_high_fails_once_there_are_enough_sets() -> None:
    power = {"strong": (1.0, 1.0), "weak": (0.5, 0.2), "joint": (1.0, 1.0), "confounded": (1.0, 0.0)}
    shares = np.random.default_rng(0).uniform(0.05, 0.15, 20)
    truth = AuditTruth(tuple(Outcome(power, (0.04, float(share)), (100, 40)) for share in shares))
    assert not truth.passed and AuditTruth(truth.outcomes[:2]).passed
