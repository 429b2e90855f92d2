"""The audit's tests tested on this installation: planted units, the false-discovery rate and the confounded unit.

Fewer people and units than in `python -m benchmarks.audit`, so that it takes seconds. Letters: R repetitions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import ttest_1samp

from dissect.audit.planted import KINDS, Outcome, mean_interval, outcome, planted, rules
from dissect.audit.response import audit_responses
from dissect.fingerprint import Plain

PEOPLE, UNITS, DRAWS = 300, 200, 10_000
RATE = 0.05
LEAST_P = 1e-3
"""A one-sided t-test below this says that the mean share of false discoveries exceeds the rate."""
GROSS = 0.2
"""A mean share of false discoveries above this fails whatever the number of repetitions. Over 40 seeds the highest of one was .14."""
STRONG, UNMATCHED, MATCHED = 0.9, 0.5, 0.1
"""Shares: of strong units found, and of confounded ones without matching, at least; of confounded ones when matched, at most. Over 40
seeds the lowest of one were 1.0 and .6, and the highest 0."""


@dataclass(frozen=True)
class AuditTruth:
    """outcomes (R): of `planted.outcome`, one a repetition."""

    outcomes: tuple[Outcome, ...]

    @property
    def power(self) -> Mapping[str, tuple[float, float]]:
        """Kind -> mean share found, unmatched and matched."""
        shares = {kind: np.mean([each.power[kind] for each in self.outcomes], axis=0) for kind in KINDS}
        return {kind: (float(share[0]), float(share[1])) for kind, share in shares.items()}

    def false(self, matched: bool) -> tuple[float, float, float]:
        """Mean share of false discoveries over repetitions, with its 95 % interval (Student's t)."""
        return mean_interval([each.false[int(matched)] for each in self.outcomes])

    @property
    def passed(self) -> bool:
        """The rate is kept, strong units are found, confounded ones without matching only."""
        power = self.power
        kept = not any(self._exceeded(matched) for matched in (False, True))
        confounded = power["confounded"][0] >= UNMATCHED and power["confounded"][1] <= MATCHED
        return kept and confounded and min(power["strong"]) >= STRONG

    def _exceeded(self, matched: bool) -> bool:
        shares = [each.false[int(matched)] for each in self.outcomes]
        if np.mean(shares) > GROSS or len(shares) < 2 or np.ptp(shares) == 0:
            return bool(np.mean(shares) > GROSS)
        return bool(ttest_1samp(shares, RATE, alternative="greater").pvalue < LEAST_P)

    def lines(self) -> list[str]:
        """For people."""
        found = []
        for matched, name in enumerate(("unmatched", "matched")):
            mean, low, high = self.false(bool(matched))
            kinds = ", ".join(f"{kind} {share[matched]:.2f}" for kind, share in self.power.items())
            total = sum(each.discoveries[matched] for each in self.outcomes)
            found.append(
                f"audit, {name}: false discoveries {100 * mean:.1f} % ({100 * max(low, 0.0):.1f} to {100 * high:.1f} %) of "
                f"{total / len(self.outcomes):.0f} a set, {len(self.outcomes)} sets; found: {kinds}"
            )
        verdict = "as it should be" if self.passed else "NOT AS IT SHOULD BE"
        return [*found, f"audit: confounded units are to be found unmatched and not matched: {verdict}"]

    def as_plain(self) -> dict[str, Plain]:
        """For JSON."""
        power: dict[str, Plain] = {kind: {"unmatched": share[0], "matched": share[1]} for kind, share in self.power.items()}
        rates: dict[str, Plain] = {}
        for matched, name in enumerate(("unmatched", "matched")):
            mean, low, high = self.false(bool(matched))
            rates[name] = {"mean": mean, "interval": [low, high]}
        return {"repetitions": len(self.outcomes), "false_share": rates, "power": power, "passed": self.passed}


def audit_truth(seeds: Sequence[int]) -> AuditTruth:
    """Audit planted responses, a set of people, pictures and units a seed."""
    return AuditTruth(tuple(_audited(seed) for seed in seeds))


def _audited(seed: int) -> Outcome:
    truth = planted(seed, people=PEOPLE, units=UNITS)
    return outcome(truth, audit_responses({"planted": truth.responses}, truth.of, rules(draws=DRAWS)))
