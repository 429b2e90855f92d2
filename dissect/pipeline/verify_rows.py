"""From the tests of a layer to rows: what stands beside each label, and the layer in numbers and sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dissect.fingerprint import Plain
from dissect.pipeline.verify_layer import CONCEPTS, LabelTests, LayerTests
from dissect.store import VerifiedLabel
from dissect.verify.null import LayerNull

INDEPENDENCE = "independence"
CHANCE = 0.05
"""A label whose q is at most this is told from chance."""
WORDS = {CONCEPTS: "concepts", "compositional": "formulas"}

FloatArray = NDArray[np.float64]


def verified(method: str, tests: LabelTests, q: FloatArray, layer: LayerTests) -> list[VerifiedLabel]:
    """What the tests say of every label of a method. q (U,)."""
    return [_label(method, tests, float(q[unit]), layer, int(unit)) for unit in np.flatnonzero(tests.named)]


def layer_summary(layer: LayerTests, rates: Mapping[str, FloatArray], threshold: float) -> dict[str, Plain]:
    """The layer in numbers by method, `lines` for a person, and the notes of the tests. threshold: IoU of a detector."""
    numbers: dict[str, Plain] = {}
    lines: list[Plain] = []
    for method, tests in layer.labels.items():
        counted = _counted(tests, rates[method], threshold)
        numbers[method] = dict(counted)
        lines += _lines(WORDS[method], tests, counted)
    if layer.basis is not None:
        numbers["basis"] = {name: value for name, value in layer.basis.as_plain().items() if name != "p"}
        lines += list(layer.basis.lines())
    elif layer.basis_untested:
        lines.append(f"rotated bases: not testable: {layer.basis_untested}")
    if layer.random is not None:
        numbers["random_weights"] = layer.random.as_plain()
        lines += list(layer.random.lines())
    return {**numbers, "lines": [str(line).removeprefix(f"{layer.layer}: ") for line in lines]}


def _label(method: str, tests: LabelTests, q: float, layer: LayerTests, unit: int) -> VerifiedLabel:
    null, interval, held = tests.null, tests.interval, tests.held
    p = _number(null.p[unit]) if null is not None else None
    details: dict[str, Plain] = {"null": _null(tests, unit), "held_out": _held_out(tests, unit), "interval": _interval(tests, unit)}
    if method == CONCEPTS:
        details["basis"] = _basis(layer, unit)
    return VerifiedLabel(
        unit, method,
        held_out_score=_number(held.held_out[unit]) if held is not None else None,
        held_out_agrees=bool(held.label_agrees[unit]) if held is not None and held.testable[unit] else None,
        interval_low=_number(interval.low[unit]) if interval is not None else None,
        interval_high=_number(interval.high[unit]) if interval is not None else None,
        null_kind=INDEPENDENCE if null is not None and p is not None else None,
        permutations=null.permutations if null is not None and p is not None else None,
        p=p, q=_number(q),
        split_hash=held.split_hash if held is not None and held.split_hash else None,
        details={name: part for name, part in details.items() if part},
    )  # fmt: skip


def _null(tests: LabelTests, unit: int) -> dict[str, Plain]:
    found = tests.null
    if found is None:
        return {"untested": tests.untested["null"]} if tests.untested and "null" in tests.untested else {}
    if math.isnan(found.p[unit]):
        return {"untested": "no label of this layer can move" if not found.movable else "the unit is dead or constant"}
    facts: dict[str, Plain] = {
        "floor": found.floor, "mean": _number(found.null_mean[unit]), "high": _number(found.null_95[unit]), "seed": found.seed,
        "tail_p": _number(found.p_tail[unit]), "observed": _number(found.observed[unit]),
    }  # fmt: skip
    if isinstance(found, LayerNull):
        facts |= {
            "z": _number(found.z[unit]), "z_concept": tests.z_names[unit], "z_p": _number(found.z_p[unit]),
            "label_z": _number(found.label_z[unit]), "min_images": found.min_images,
        }  # fmt: skip
    return facts


def _held_out(tests: LabelTests, unit: int) -> dict[str, Plain]:
    found = tests.held
    if found is None:
        return {}
    facts: dict[str, Plain] = {"winners": list(tests.winners[unit])} if any(tests.winners[unit]) else {}
    if found.reason[unit]:
        return {**facts, "untested": _plain(found.reason[unit])}
    return {
        **facts, "folds": [_number(score) for score in found.outside[unit]], "optimism": _number(found.choice_optimism[unit]),
        "label": _number(found.label_held_out[unit]), "label_optimism": _number(found.label_optimism[unit]),
    }  # fmt: skip


def _interval(tests: LabelTests, unit: int) -> dict[str, Plain]:
    found = tests.interval
    if found is None:
        return {}
    if found.reason[unit]:
        return {"untested": found.reason[unit]}
    return {"resamples": found.draws, "drawn": found.drawn, "level": found.level, "seed": found.seed}


def _basis(layer: LayerTests, unit: int) -> dict[str, Plain]:
    if layer.basis is None or math.isnan(layer.basis.p[unit]):
        return {"untested": f"rotated bases: {layer.basis_untested}"} if layer.basis_untested else {}
    return {"p": float(layer.basis.p[unit]), "rotations": len(layer.basis.after), "floor": layer.basis.floor}


def _counted(tests: LabelTests, q: FloatArray, threshold: float) -> dict[str, Plain]:
    """A method's labels of a layer in numbers. Survivors: detectors told from chance, chosen by both halves, held out still above the
    threshold. What the halves do not choose has the held-out score of another label; where they differ in kind (drives), one that is no
    detector of the run can lie above the threshold on them."""
    significant = tests.named & (np.nan_to_num(q, nan=1.0) <= CHANCE)
    facts: dict[str, Plain] = {"labels": int(tests.named.sum())}
    if tests.null is not None:
        tested = tests.named & ~np.isnan(tests.p)
        facts |= {"tested": int(tested.sum()), "significant": int(significant.sum()), "permutations": tests.null.permutations}
        facts |= {"floor": tests.null.floor, "blocks": tests.null.blocks, "notes": list(tests.null.notes)}
    if tests.held is not None:
        held = tests.held
        score = np.where(tests.named & held.testable, held.held_out, np.nan)
        known = ~np.isnan(score)
        facts |= {
            "held_out": int(known.sum()), "held_out_median": _number(np.median(score[known])) if known.any() else None,
            "optimism_median": _number(np.median(held.choice_optimism[known])) if known.any() else None,
            "agree": int((held.label_agrees & known).sum()), "held_out_above": int((np.nan_to_num(score) > threshold).sum()),
            "split": held.split_hash, "held_out_notes": list(held.notes),
        }  # fmt: skip
        if tests.null is not None:
            detectors = tests.named & (tests.null.observed > threshold)
            lasting = significant & held.label_agrees & (np.nan_to_num(score) > threshold)
            facts |= {"detectors": int(detectors.sum()), "survivors": int((detectors & lasting).sum())}
    if tests.interval is not None:
        facts |= {"intervals": int((~np.isnan(tests.interval.low) & tests.named).sum()), "drawn": tests.interval.drawn}
    return facts


def _lines(words: str, tests: LabelTests, facts: Mapping[str, Plain]) -> list[Plain]:
    lines: list[Plain] = []
    if tests.untested:
        lines += [f"{words}: not testable against chance: {reason}" for reason in tests.untested.values()]
    if tests.null is not None:
        lines.append(
            f"{words}: {facts['significant']} of {facts['tested']} labels told from chance (q <= {CHANCE}); {facts['permutations']} "
            f"shuffles, in which {facts['blocks']}"
        )
        lines += [f"{words}: {note}" for note in tests.null.notes]
    if tests.held is not None and not facts["held_out"]:
        reasons = sorted({reason for reason in tests.held.reason if reason})
        lines.append(f"{words}: no held-out score ({reasons[0] if reasons else 'no unit has a label'})")
    elif tests.held is not None:
        lines.append(
            f"{words}: held-out IoU of {facts['held_out']} labels: median {_shown(facts['held_out_median'])}, "
            f"{_shown(facts['optimism_median'])} less than where they were chosen; both halves choose the run's label for {facts['agree']}"
        )
        lines += [f"{words}: {note}" for note in tests.held.notes]
    if "survivors" in facts:
        lines.append(
            f"{words}: {facts['survivors']} of {facts['detectors']} detectors survive: told from chance, chosen by both halves, and "
            f"held out above the threshold"
        )
    if tests.interval is not None:
        lines.append(f"{words}: {facts['intervals']} intervals, {tests.interval.drawn} drawn anew {tests.interval.draws:,} times")
    return lines


def _number(value: object) -> float | None:
    number = float(value)  # type: ignore[arg-type]
    return None if math.isnan(number) else number


def _shown(value: object) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _plain(reason: str) -> str:
    return reason.removeprefix("not testable: ")
