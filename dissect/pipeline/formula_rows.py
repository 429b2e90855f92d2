"""From what a search of formulas found to rows: labels with their gain curve, certificate, further meanings and masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dissect.compose.chain import Chain, to_formula
from dissect.compose.formula import Formula, signs
from dissect.compose.meanings import Meanings, meanings, terms
from dissect.compose.optimal import LONGEST_PROOF
from dissect.compose.plain import to_plain
from dissect.compose.published import Published
from dissect.compose.search import Certificate, Found
from dissect.compose.shown import ShownLabels
from dissect.compose.text import show
from dissect.compose.world import World
from dissect.concepts.model import Vocabulary
from dissect.fingerprint import Plain
from dissect.pipeline.probed import Probed
from dissect.probe.exemplars import pack_mask
from dissect.probe.profile import Profile
from dissect.probe.tables import Exemplars, Int64, LayerProbe, RangeTables
from dissect.score.count import iou, reachable
from dissect.store import FormulaResult, LabelEntry

SINGLES = 20
"""Best single concepts that are candidates for a unit's several meanings, beside its formulas."""


@dataclass(frozen=True)
class Composed:
    """The formulas of one layer, whichever search gave them.

    curve (U, N): best chain of at most 1..N concepts, None where there is none; intersection, area (U, N) int64: its I and G.
    certificates (U), empty where nothing was proven. ties (U): other formulas with the same score (published search).
    beam_iou (U,): what the beam alone found, None where it is the result.
    """

    world: World
    curve: tuple[tuple[Chain | None, ...], ...]
    intersection: Int64
    area: Int64
    certificates: tuple[Certificate, ...] = ()
    ties: tuple[tuple[Chain, ...], ...] = ()
    beam_iou: np.ndarray[tuple[int], np.dtype[np.float64]] | None = None

    @property
    def length(self) -> int | None:
        """Most concepts that the search was asked for, where it proved something."""
        return max((len(row) for row in self.curve), default=None) if self.certificates else None

    def iou(self, unit: int, place: int) -> float:
        """IoU of the best formula of at most place + 1 concepts."""
        union = int(self.world.unit_area[unit] + self.area[unit, place] - self.intersection[unit, place])
        return int(self.intersection[unit, place]) / union if union else 0.0

    def summary(self, length: int) -> dict[str, Plain]:
        """The layer in numbers. Medians run over the units that have a formula."""
        labelled = [unit for unit, row in enumerate(self.curve) if row and row[-1] is not None]
        last = [self.iou(unit, len(self.curve[unit]) - 1) for unit in labelled]
        first = [self.iou(unit, 0) for unit in labelled]
        facts: dict[str, Plain] = {
            "units": len(self.curve), "formulas": len(labelled), "length": length,
            "median_iou": float(np.median(last)) if last else 0.0, "median_concept_iou": float(np.median(first)) if first else 0.0,
        }  # fmt: skip
        if self.certificates and self.beam_iou is not None:
            gains = [now - float(self.beam_iou[unit]) for unit, now in zip(labelled, last, strict=True)]
            short = [gain for gain in gains if gain > 0]
            facts |= {
                "proof_length": min(length, LONGEST_PROOF), "proven": sum(self.certificates[unit].optimal for unit in labelled),
                "beam_short": len(short), "beam_short_mean_gain": float(np.mean(short)) if short else 0.0,
            }  # fmt: skip
        return facts


def from_found(world: World, start: Found, best: Found | None) -> Composed:
    """Of our own search: the beam's result, and the proven one where it was asked for."""
    found = best or start
    return Composed(
        world, found.by_length, found.by_length_intersection, found.by_length_area, found.certificates,
        beam_iou=start.iou if best is not None else None,
    )  # fmt: skip


def from_beams(world: World, found: Published) -> Composed:
    """Of the published search: the single concept it began with, and the label it ended with."""
    curve, intersection, area = [], np.zeros((len(found.beams), 2), np.int64), np.zeros((len(found.beams), 2), np.int64)
    for unit, (first, last) in enumerate(zip(found.primitive, found.best, strict=True)):
        curve.append((first, last))
        if first is not None and last is not None:
            own = slice(world.unit_offsets[unit], world.unit_offsets[unit + 1])
            inside = np.isin(world.unit_signature[own], world.posting[_postings(world, first.columns[0])])
            intersection[unit] = int(world.unit_count[own][inside].sum()), found.intersection[unit, 0]
            area[unit] = world.concept_area[first.columns[0]], found.formula_area[unit, 0]
    ties = tuple(found.ties(unit) if beam else () for unit, beam in enumerate(found.beams))
    return Composed(world, tuple(curve), intersection, area, ties=ties)


def _postings(world: World, column: int) -> slice:
    return slice(int(world.posting_offsets[column]), int(world.posting_offsets[column + 1]))


def unit_results(
    composed: Composed,
    layer: LayerProbe,
    probed: Probed,
    most: int,
    threshold: float,
    rules: Profile,
    ranges: Composed | None = None,
) -> list[FormulaResult]:
    """Rows of every unit that has a formula; dead and constant units have none."""
    words = probed.vocabulary
    chosen = [
        row[-1] if row and state not in ("dead", "constant") else None for row, state in zip(composed.curve, layer.stats.state, strict=True)
    ]
    formulas = {unit: to_formula(chain, composed.world) for unit, chain in enumerate(chosen) if chain is not None}
    masks = exemplar_masks(formulas, layer.exemplars, probed, rules)
    explained = explained_images(formulas, layer.layer.name, probed, rules)
    candidates = _Candidates(composed) if most else None
    results = []
    for unit, formula in formulas.items():
        several = meanings(unit, candidates.of(unit), composed.world, most=most) if candidates else None
        label = _label(composed, unit, formula, words, threshold, several, explained.get(unit))
        further = _meaning_labels(composed.world, several, words, threshold) if several else ()
        further += _range_labels(ranges, layer.ranges, unit, words, threshold) if ranges and layer.ranges else ()
        results.append(FormulaResult(unit, (label, *further), masks[unit], layer.exemplars.mask_size))
    return results


class _Candidates:
    """What may be one of a unit's meanings: its best single concepts, and the formulas of its gain curve taken apart at their ORs."""

    def __init__(self, composed: Composed) -> None:
        self._composed = composed
        world = composed.world
        self._owner = np.repeat(np.arange(len(world.pixels)), np.diff(world.offsets))

    def of(self, unit: int) -> list[Chain]:
        """Candidates of one unit, single concepts by IoU first."""
        world = self._composed.world
        own = slice(world.unit_offsets[unit], world.unit_offsets[unit + 1])
        rows, count = world.unit_signature[own], world.unit_count[own]
        lengths = np.diff(world.offsets)[rows]
        starts = np.repeat(world.offsets[rows], lengths)
        inside = starts + np.arange(len(starts)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        shared = np.bincount(world.members[inside], np.repeat(count, lengths), minlength=len(world.concept)).astype(np.int64)
        ratio = iou(shared[None], world.unit_area[unit : unit + 1], world.concept_area)[0]
        best = np.argsort(-ratio, kind="stable")[:SINGLES]
        singles = [Chain((int(column),)) for column in best if shared[column] > 0]
        return singles + [term for chain in self._composed.curve[unit] if chain is not None for term in terms(chain)]


def exemplar_masks(formulas: Mapping[int, Formula], best: Exemplars, probed: Probed, rules: Profile) -> dict[int, dict[int, bytes]]:
    """Unit -> exemplar rank -> packed mask of the unit's formula on that image, for images with labels."""
    found: dict[int, dict[int, bytes]] = {unit: {} for unit in formulas}
    source = probed.result.labels
    if source is None:
        return found
    wanted = [(int(image), unit, rank) for unit in formulas for rank, image in enumerate(best.image[unit], start=1) if image >= 0]
    shown: ShownLabels | None = None
    start, end = 0, 0
    for image, unit, rank in sorted(wanted):
        if shown is None or not start <= image < end:
            start, end = next(span for span in source.ranges if span[0] <= image < span[1])
            shown = ShownLabels(source.part(start, end), rules)
        found[unit][rank] = pack_mask(shown.mask(formulas[unit], image - start))
    return found


def explained_images(formulas: Mapping[int, Formula], layer: str, probed: Probed, rules: Profile) -> dict[int, float]:
    """Explanation coverage of each unit's formula: of the images in which the unit is active, the share in which the formula is true on
    some of its active pixels. From the recorded counts by image."""
    labels, source = probed.result.labels, probed.result.tallies.get(layer)
    if labels is None or source is None:
        return {}
    explained, active = dict.fromkeys(formulas, 0), dict.fromkeys(formulas, 0)
    for first, stop, shard in source.parts():
        shown = ShownLabels(labels.part(first, stop), rules)
        pair = np.repeat(np.arange(len(shard.pair_unit)), np.diff(shard.triple_offsets))
        owner = shard.pair_unit[pair]
        order = np.argsort(owner, kind="stable")
        bounds = np.searchsorted(owner[order], np.arange(len(shard.unit_area) + 1))
        for unit, formula in formulas.items():
            own = order[bounds[unit] : bounds[unit + 1]]
            active[unit] += len(np.unique(pair[own]))
            explained[unit] += len(np.unique(pair[own][shown.truth(formula)[shard.triple_signature[own]]]))
    return {unit: explained[unit] / active[unit] for unit in formulas if active[unit]}


def _label(
    composed: Composed, unit: int, formula: Formula, words: Vocabulary, threshold: float, several: Meanings | None,
    explained: float | None,
) -> LabelEntry:  # fmt: skip
    last = len(composed.curve[unit]) - 1
    chain = composed.curve[unit][last]
    intersection, area = int(composed.intersection[unit, last]), int(composed.area[unit, last])
    certificate = composed.certificates[unit] if composed.certificates else None
    details: dict[str, Plain] = {
        "formula": to_plain(formula, words),
        "by_length": _curve(composed, unit, words),
        "settings": {"length": composed.length},
        "published_length": chain.published_length if chain else 0,
        "detection_accuracy": intersection / area if area else 0.0,
        "explanation_coverage": explained,
        "activation_coverage": intersection / int(composed.world.unit_area[unit]),
        "gap": certificate.bound - composed.iou(unit, last) if certificate else None,
        "not_first": certificate.not_first if certificate else False,
        "meanings": _listed(several, composed.world, words) if several else [],
        "monosemanticity": several.monosemanticity if several else None,
        "ties": [show(to_formula(tie, composed.world), words) for tie in composed.ties[unit]] if composed.ties else [],
    }
    return _entry(
        composed.world, formula, words, "compositional", 1, composed.iou(unit, last), threshold,
        (intersection, int(composed.world.unit_area[unit]), area), details,
        certificate=("optimal" if certificate.optimal else "gap") if certificate else "none",
        space=certificate.space if certificate else None,
    )  # fmt: skip


def _curve(composed: Composed, unit: int, words: Vocabulary) -> list[Plain]:
    """The gain curve: every length at which a better formula was found."""
    points: list[Plain] = []
    before: Chain | None = None
    for place, chain in enumerate(composed.curve[unit]):
        if chain is not None and chain != before:
            before = chain
            points.append({
                "length": len(chain), "text": show(to_formula(chain, composed.world), words), "iou": composed.iou(unit, place),
                "intersection": int(composed.intersection[unit, place]), "area": int(composed.area[unit, place]),
            })  # fmt: skip
    return points


def _listed(several: Meanings, world: World, words: Vocabulary) -> list[Plain]:
    return [
        {"text": show(to_formula(each.chain, world), words), "gain": each.gain, "coverage": each.coverage, "new": each.covered}
        for each in several.meanings
    ]


def _meaning_labels(world: World, several: Meanings, words: Vocabulary, threshold: float) -> tuple[LabelEntry, ...]:
    """One row a meaning, so that a search finds units by their second and third ones too. Score: IoU of the list down to here."""
    return tuple(
        _entry(
            world, to_formula(each.chain, world), words, "meanings", rank, each.iou, threshold,
            (each.covered, several.unit_area, None), {"gain": each.gain, "coverage": each.coverage},
        )
        for rank, each in enumerate(several.meanings, start=1)
    )  # fmt: skip


def _range_labels(composed: Composed, ranges: RangeTables, unit: int, words: Vocabulary, threshold: float) -> tuple[LabelEntry, ...]:
    """One row a range of activation that has a formula, weakest first."""
    entries = []
    count = ranges.low.shape[1]
    for k in range(count):
        row = unit * count + k
        last = len(composed.curve[row]) - 1
        chain = composed.curve[row][last]
        if chain is None:
            continue
        counts = int(composed.intersection[row, last]), int(composed.world.unit_area[row]), int(composed.area[row, last])
        details = {"low": float(ranges.low[unit, k]), "high": float(ranges.high[unit, k]), "share": float(ranges.share[unit, k])}
        formula, score = to_formula(chain, composed.world), composed.iou(row, last)
        entries.append(_entry(composed.world, formula, words, "ranges", k + 1, score, threshold, counts, details))
    return tuple(entries)


def _entry(
    world: World, formula: Formula, words: Vocabulary, method: str, rank: int, score: float, threshold: float,
    counts: tuple[int, int, int | None], details: Mapping[str, Plain], *, certificate: str | None = None, space: str | None = None,
) -> LabelEntry:  # fmt: skip
    text = show(formula, words)
    intersection, unit_area, area = counts
    most = float(reachable(np.array([unit_area]), np.array([area]))[0]) if area is not None else None
    return LabelEntry(
        text=text, kind="formula", method=method, rank=rank, formula=text, length=len(_used(formula, words)), score=score,
        intersection=intersection, unit_area=unit_area, concept_area=area, reachable=most, detector=score > threshold,
        concepts=_used(formula, words), certificate=certificate, certificate_space=space, details=details,
    )  # fmt: skip


def _used(formula: Formula, words: Vocabulary) -> tuple[tuple[tuple[str, str], int], ...]:
    """The concepts of a formula with their signs, in its order."""
    entries: Sequence[tuple[int, tuple[int, ...]]] = list(signs(formula).items())
    named = {index: (words.concepts[index - 1].category, words.concepts[index - 1].name) for index, _ in entries}
    return tuple((named[index], sign) for index, both in entries for sign in both)
