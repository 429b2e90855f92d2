"""Rows of a layer's descriptions: a label for each, with its log-probabilities and what its tests found; and the layer in numbers.

Letters: U units.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dissect.caption.decoding import Decoding, Description
from dissect.caption.describer import ExemplarSet
from dissect.caption.detection import Detection, paired_interval
from dissect.concepts.model import Vocabulary
from dissect.errors import ShapeError
from dissect.fingerprint import Plain
from dissect.pipeline.caption_request import METHOD
from dissect.pipeline.caption_tests import NO_EXAMPLES, UNMAPPED, Agreement, LayerTests
from dissect.store import FormulaResult, LabelEntry

KINDS = ("concept", "formula")
NO_WORD = "the captioner found no word for it"
MEASURES = {"pmi": "PMI", "lm_penalised": "LM-penalised score", "log_p_given": "log p(d|E)"}
"""What scores of descriptions are called."""


@dataclass(frozen=True)
class Described:
    """Descriptions of one layer. texts (U): of each unit, the best first. reasons (U): why a unit has none. describer: its name. world:
    what it knows, in words. how: the decoding. measure: what the scores are, of `MEASURES`."""

    texts: tuple[tuple[Description, ...], ...]
    reasons: tuple[str | None, ...]
    describer: str
    world: str
    how: Decoding
    measure: str = "pmi"

    @classmethod
    def of(
        cls, texts: Sequence[Sequence[Description]], exemplars: ExemplarSet, describer: str, world: str, how: Decoding, measure: str = "pmi"
    ) -> Described:
        """What a describer gave for these exemplars; descriptions without a word are none."""
        kept = tuple(tuple(each for each in several if each.text.strip()) for several in texts)
        reasons = tuple(None if several else exemplars.reason(unit) or NO_WORD for unit, several in enumerate(kept))
        return cls(kept, reasons, describer, world, how, measure)

    @property
    def first(self) -> list[str]:
        """The first description of each unit, empty where there is none."""
        return [several[0].text if several else "" for several in self.texts]


def results(described: Described, tests: LayerTests, settings: Mapping[str, Plain], words: Vocabulary) -> list[FormulaResult]:
    """Rows of every unit that has a description."""
    found = []
    for unit, several in enumerate(described.texts):
        labels = [_label(description, rank, described, settings) for rank, description in enumerate(several, start=1)]
        if labels:
            tested = _tested(tests, unit)
            names = tuple(((words.concepts[number - 1].category, words.concepts[number - 1].name), 1) for number in tests.named[unit])
            first = labels[0]
            labels[0] = LabelEntry(
                text=first.text, kind=first.kind, method=METHOD, score=first.score, score_kind=first.score_kind, length=first.length,
                concepts=names, details={**first.details, **tested},
            )  # fmt: skip
            found.append(FormulaResult(unit, tuple(labels)))
    return found


def _label(description: Description, rank: int, described: Described, settings: Mapping[str, Plain]) -> LabelEntry:
    score = description.log_p_given if described.measure == "log_p_given" else description.pmi
    details: dict[str, Plain] = {
        "log_p_given": _finite(description.log_p_given),
        "log_p": _finite(description.log_p),
        "lambda": described.how.weight,
        "decoding": described.how.strategy,
        "prior": settings.get("prior"),
        "captioner": described.describer,
        "captioner_hash": settings.get("captioner_hash"),
        "world": described.world,
    }
    return LabelEntry(
        text=description.text, kind="description", method=METHOD, rank=rank, score=_finite(score), score_kind=described.measure,
        length=len(description.tokens), details=details,
    )  # fmt: skip


def _tested(tests: LayerTests, unit: int) -> dict[str, Plain]:
    """What the tests found of one unit."""
    details: dict[str, Plain] = {"detection": None, "untested": tests.reason or None}
    if tests.detection is not None:
        if not tests.detection.examples[unit]:
            details["untested"] = NO_EXAMPLES
        else:
            details["detection"] = {**_scores(tests.detection, unit), "baselines": {
                name: _scores(found, unit) for name, found in tests.baselines.items()
            }}  # fmt: skip
            details["note"] = None if tests.detection.mapped[unit] else UNMAPPED
    for kind in KINDS:
        found = tests.agreement.get(kind)
        known = found is not None and bool(found.known[unit])
        details[f"names_{kind}"] = bool(found.agrees[unit]) if found is not None and known else None
        details[f"names_{kind}_chance"] = _finite(found.chance[unit]) if found is not None and known else None
    return details


def _scores(found: Detection, unit: int) -> dict[str, Plain]:
    return {
        "auc": _finite(found.auc[unit]),
        "balanced_accuracy": _finite(found.balanced_accuracy[unit]),
        "mapped": bool(found.mapped[unit]),
        "images": int(found.examples[unit]),
    }


def _finite(value: float | np.floating | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def summary(described: Described, tests: LayerTests) -> dict[str, Plain]:
    """The layer in numbers and in words. Means run over the units that the figure is about."""
    scores = [several[0].pmi for several in described.texts if several and several[0].pmi is not None]
    given = [several[0].log_p_given for several in described.texts if several]
    facts: dict[str, Plain] = {
        "units": len(described.texts),
        "described": len(given),
        "not_described": dict(Counter(reason for reason in described.reasons if reason)),
        "reasons": {str(unit): reason for unit, reason in enumerate(described.reasons) if reason},
        "different": len({text for text in described.first if text}),
        "median_score": float(np.median(scores)) if scores else None,
        "measure": described.measure,
        "median_log_p_given": float(np.median(given)) if given else None,
        "captioner": described.describer,
        "world": described.world,
        "untested": tests.reason or None,
        "detection": _detection_facts(tests),
        "agreement": {kind: _agreement_facts(found) for kind, found in tests.agreement.items()},
    }
    return {**facts, "lines": _lines(facts)}


def _detection_facts(tests: LayerTests) -> dict[str, Plain] | None:
    """Means over the tested units, of the descriptions and of each baseline, with the interval of the difference."""
    own = tests.detection
    if own is None or not own.tested.any():
        return None
    facts: dict[str, Plain] = {"units": int(own.tested.sum()), "coverage": own.coverage, **_means(own)}
    facts["constant"], facts["most_frequent"] = tests.constant, tests.most_frequent
    facts["baselines"] = {name: {**_means(found), **_difference(own.auc, found.auc)} for name, found in tests.baselines.items()}
    return facts


def _means(found: Detection) -> dict[str, Plain]:
    return {"auc": _mean(found.auc[found.tested]), "balanced_accuracy": _mean(found.balanced_accuracy[found.tested])}


def _difference(own: NDArray[np.float64], other: NDArray[np.float64]) -> dict[str, Plain]:
    """Mean of the paired difference in AUC, with its 95 % interval over units."""
    try:
        mean, low, high = paired_interval(own, other)
    except ShapeError:
        return {"better": None, "low": None, "high": None}
    return {"better": mean, "low": low, "high": high}


def _agreement_facts(found: Agreement) -> dict[str, Plain]:
    known = found.known
    return {"units": int(known.sum()), "agree": _mean(found.agrees[known]), "chance": _mean(found.chance[known])}


def _mean(values: NDArray[np.bool_] | NDArray[np.float64]) -> float | None:
    kept = np.asarray(values, np.float64)
    kept = kept[np.isfinite(kept)]
    return float(kept.mean()) if len(kept) else None


def _lines(facts: Mapping[str, Plain]) -> list[str]:
    """The numbers in words."""
    named = ((MEASURES[str(facts["measure"])], facts["median_score"]), (MEASURES["log_p_given"], facts["median_log_p_given"]))
    medians = [f"median {name} {value:.1f} nats" for name, value in named if isinstance(value, float)]
    head = f"{facts['described']} of {facts['units']} units described by {facts['captioner']}, {facts['different']} different texts"
    lines = ["; ".join([head, *medians])]
    left_out = facts["not_described"]
    assert isinstance(left_out, Mapping)
    lines += [f"{count} without a description: {reason}" for reason, count in left_out.items()]
    lines += [_detection_line(facts)] + [_agreement_line(kind, found) for kind, found in _pairs(facts["agreement"]) if found["units"]]
    if facts["world"]:
        lines.append(f"this captioner only knows {facts['world']}")
    return lines


def _pairs(table: Plain) -> Sequence[tuple[str, Mapping[str, Plain]]]:
    return [(str(name), found) for name, found in table.items() if isinstance(found, Mapping)] if isinstance(table, Mapping) else []


def _detection_line(facts: Mapping[str, Plain]) -> str:
    found = facts["detection"]
    if not isinstance(found, Mapping):
        return f"detection not tested: {facts['untested'] or 'no unit has images to be tested on'}"
    beside = ", ".join(f"{name.replace('_', ' ')} {_number(scores['auc'])}" for name, scores in _pairs(found["baselines"]))
    return (
        f"detection {_number(found['auc'])} AUC, {_number(found['balanced_accuracy'])} balanced accuracy over {found['units']} units "
        f"(AUC of {beside}); {100 * float(found['coverage'] or 0):.0f} % of the descriptions name a concept"  # type: ignore[arg-type]
    )


def _agreement_line(kind: str, found: Mapping[str, Plain]) -> str:
    what = "the best concept" if kind == "concept" else "a concept of the formula"
    return (
        f"descriptions name {what} of {_share(found['agree'])} of {found['units']} units "
        f"(those of other units: {_share(found['chance'])})"
    )


def _number(value: Plain) -> str:
    return f"{value:.3f}".removeprefix("0") if isinstance(value, float) else "not known"


def _share(value: Plain) -> str:
    return f"{100 * value:.0f} %" if isinstance(value, float) else "not known"
