"""Audit by mask: units whose strongest places lie on faces, skin, hair or people, by the concepts their masks overlap with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dissect.audit.finding import Finding, Group

CHANCE = 0.05


@dataclass(frozen=True, slots=True)
class MaskScore:
    """How well a unit's mask overlaps one concept (IoU), with what is known of it: q, interval (95 %), images that hold the concept."""

    layer: str
    unit: int
    concept: str
    score: float
    q: float | None = None
    interval: tuple[float, float] | None = None
    images: int | None = None


def audit_masks(
    subject: str, concepts: Sequence[str], scores: Sequence[MaskScore], threshold: float, units: int, vocabulary: str
) -> list[Finding]:
    """One finding for every unit with a score for one of the subject's concepts (its best one); found where IoU > threshold.

    concepts: those of the vocabulary that the subject stands for; none makes it `not testable`. units: how many were looked at.
    A unit whose label was tested and may be chance (q > 0.05) is `not found`; one that was not tested is found, and says so.
    """
    if not concepts:
        reason = f"data set vocabulary {vocabulary} has no concept {subject!r}, so no mask says where it is."
        return [Finding("mask", "", None, subject, "not testable", reason=reason, text=reason)]
    best: dict[tuple[str, int], MaskScore] = {}
    for score in scores:
        here = (score.layer, score.unit)
        if score.concept in concepts and (here not in best or score.score > best[here].score):
            best[here] = score
    if not best:
        text = f"{subject} is among the best concepts of none of {units:,} units."
        return [Finding("mask", "", None, subject, "not found", value=", ".join(concepts), effect_name="IoU", text=text)]
    return [_finding(subject, score, threshold) for _, score in sorted(best.items())]


def _finding(subject: str, score: MaskScore, threshold: float) -> Finding:
    chance = score.q is not None and score.q > CHANCE
    found = score.score > threshold and not chance
    groups = () if score.images is None else (Group(f"images with {score.concept}", score.images),)
    return Finding(
        "mask", score.layer, score.unit, subject, "found" if found else "not found", value=score.concept, groups=groups,
        effect=score.score, effect_name="IoU", interval=score.interval, q=score.q, reason=_limit(score, threshold),
        text=f"its strongest places overlap {score.concept} with IoU {score.score:.3f}.", details={"threshold": threshold},
    )  # fmt: skip


def _limit(score: MaskScore, threshold: float) -> str:
    if score.q is None:
        return "not tested for chance" if score.score > threshold else f"IoU is not above {threshold:g}"
    return f"not distinguishable from chance (q {score.q:.2g})" if score.q > CHANCE else ""
