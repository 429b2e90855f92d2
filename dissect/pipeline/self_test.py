"""`dissect verify --self-test`: every statistical test of the program measured on units whose truth is known, and one verdict.

Independence null and recovery, held-out scores, intervals, effects of ablation, the audit. All is drawn in memory from seeds 0..R-1, so an
installation gives the same figures each time. Letters: R repetitions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dissect.audit.selftest import AuditTruth, audit_truth
from dissect.errors import UsageError
from dissect.fingerprint import Plain
from dissect.verify.selftest import SelfTest, self_test
from dissect.verify.selftest_ablation import AblationTruth, ablation_truth
from dissect.verify.selftest_held_out import HeldOutTruth, held_out_truth
from dissect.verify.selftest_interval import Coverage, coverages

AUDITS = 20
"""Repetitions of the audit at most: each costs two seconds."""


class Measured(Protocol):
    """One part: figures, and whether they are as they should be."""

    @property
    def passed(self) -> bool: ...

    def lines(self) -> list[str]:
        """For people."""
        ...

    def as_plain(self) -> dict[str, Plain]:
        """For JSON."""
        ...


@dataclass(frozen=True)
class ProductTest:
    """All that was measured, by part. repetitions: R."""

    repetitions: int
    labels: SelfTest
    held_out: HeldOutTruth
    intervals: tuple[Coverage, ...]
    ablation: AblationTruth
    audit: AuditTruth

    @property
    def parts(self) -> tuple[tuple[str, Measured], ...]:
        """(name, part) in the order they are shown."""
        intervals = tuple(("intervals", each) for each in self.intervals)
        return (
            ("independence null", self.labels), ("held-out scores", self.held_out), *intervals,
            ("effects of ablation", self.ablation), ("audit", self.audit),
        )  # fmt: skip

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the parts that failed, each once."""
        return tuple(dict.fromkeys(name for name, part in self.parts if not part.passed))

    @property
    def passed(self) -> bool:
        """Whether every part is as it should be."""
        return not self.failed

    def lines(self) -> list[str]:
        """For people; the last line is the verdict."""
        verdict = "passed" if self.passed else f"FAILED: not to be trusted on this installation: {', '.join(self.failed)}"
        return [line for _, part in self.parts for line in part.lines()] + [
            f"self-test of every test with {self.repetitions} repetitions: {verdict}"
        ]

    def as_plain(self) -> dict[str, Plain]:
        """For JSON: the labels' part as it always was, and the other parts beside it."""
        failed: list[Plain] = list(self.failed)
        intervals: list[Plain] = [each.as_plain() for each in self.intervals]
        labels = self.labels.as_plain()
        del labels["passed"]
        return {
            "passed": self.passed, "failed": failed, "repetitions": self.repetitions, **labels,
            "held_out": self.held_out.as_plain(), "intervals": intervals, "ablation": self.ablation.as_plain(),
            "audit": self.audit.as_plain(),
        }  # fmt: skip


def product_test(repetitions: int = 40) -> ProductTest:
    """Measure everything. Formulas, power and references take at most 10 repetitions, the audit 20.

    Raises:
        UsageError: fewer than one repetition.
    """
    if repetitions < 1:
        raise UsageError(f"the self-test needs at least one repetition, not {repetitions}.")
    seeds = tuple(range(repetitions))
    return ProductTest(
        repetitions, self_test(seeds), held_out_truth(seeds), coverages(seeds), ablation_truth(seeds), audit_truth(seeds[:AUDITS])
    )
