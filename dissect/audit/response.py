"""The audit by response: every unit, every attribute, every layer, unmatched and matched, with error rates over all of them.

    images with attributes -> rows by person -> contrasts -> AUROC, standardised difference, p, interval -> q over everything -> findings

Unmatched and matched tests answer two questions, and are two families with a rate of false discoveries each.
Letters: n images, R rows, P pairs, U units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from dissect.audit import selectivity
from dissect.audit.finding import Kind
from dissect.audit.groups import MISSING, Contrast, Subjects, contrasts, crossed, within
from dissect.audit.intervals import auroc_intervals, difference_intervals, resampled
from dissect.audit.matching import BALANCE, CALIPER, Matching, match
from dissect.errors import NotFoundError, ShapeError, UsageError

Float64 = NDArray[np.float64]
FEWEST_DRAWS, MOST_DRAWS = 10_000, 100_000


@dataclass(frozen=True)
class Rules:
    """What may be chosen.

    attributes: None takes all of the card. crossed: pairs of attributes whose cells are tested too. confounders: numeric columns or
    attributes that groups are matched on; none: no matched tests. minimum: persons a group must have. level: rate of false
    discoveries. caliper, balance: see `matching`. draws: relabellings at most, None: so many that one unit alone could be found,
    between 10,000 and 100,000. bootstrap: draws of intervals, 0 for none. missing: values that mean "not known".
    """

    attributes: tuple[str, ...] | None = None
    crossed: tuple[tuple[str, str], ...] = ()
    confounders: tuple[str, ...] = ()
    minimum: int = 50
    level: float = 0.05
    caliper: float = CALIPER
    balance: float = BALANCE
    draws: int | None = None
    bootstrap: int = 1000
    seed: int = 0
    missing: tuple[str, ...] = MISSING


@dataclass(frozen=True)
class Table:
    """One contrast in one layer, all units.

    matching: None for the unmatched test. reason: why nothing could be tested, or "". auroc, difference, p, q (U,); NaN where a unit
    cannot be tested. draws (U,). auroc_ends, difference_ends (2, U), or None. constant (U,): units that do not vary on these rows.
    specific: for cells of two attributes, standardised difference (U,) from those that share the one or the other.
    pairs, sizes: rows that were compared. floor: the smallest p there could be.
    """

    layer: str
    contrast: Contrast
    matching: Matching | None
    matched: tuple[str, ...]
    reason: str
    sizes: tuple[int, int]
    auroc: Float64
    difference: Float64
    p: Float64
    q: Float64
    draws: NDArray[np.int64]
    floor: float
    constant: NDArray[np.bool_]
    auroc_ends: Float64 | None = None
    difference_ends: Float64 | None = None
    specific: Mapping[str, Float64] = field(default_factory=dict)

    def found(self, level: float) -> NDArray[np.bool_]:
        """(U,) which units passed."""
        return np.nan_to_num(self.q, nan=1.0) <= level


@dataclass(frozen=True)
class Selectivity:
    """All tables of an audit, found or not; `response_findings.report` puts them into words."""

    kind: Kind
    tables: tuple[Table, ...]
    rules: Rules
    grouped: bool
    images: int
    present: int


def audit_responses(
    responses: Mapping[str, NDArray[Any]], of: Subjects, rules: Rules | None = None, kind: Kind = "response"
) -> Selectivity:
    """Test every unit of every layer for every attribute.

    responses: layer -> (n, U) one number for each image of `of` and unit, such as the maximum inside the face (`responses.unit_responses`)
    or the effect of ablating the unit.

    Raises:
        ShapeError: a layer's rows are not these images. NotFoundError: an attribute or confounder is not known.
        UsageError: a rule is out of range. ActivationError: a response is NaN.
    """
    chosen = rules or Rules()
    _check(responses, of, chosen)
    plan = list(_plan(of, chosen))
    units = sum(values.shape[1] for values in responses.values())
    most = chosen.draws or _enough(units * len(plan), chosen.level)
    tables = []
    for number, (contrast, matching, matched, reason) in enumerate(plan):
        for layer, values in responses.items():
            seed = chosen.seed + 7919 * number
            tables.append(_tested(layer, values, of, contrast, matching, matched, reason, chosen, most, seed))
    return Selectivity(kind, _with_q(tables), chosen, of.grouped, len(of.index), int(of.present.sum()))


def _check(responses: Mapping[str, NDArray[Any]], of: Subjects, rules: Rules) -> None:
    for layer, values in responses.items():
        if values.ndim != 2 or len(values) != len(of.index):
            raise ShapeError(f"responses of layer {layer} have shape {values.shape}, but there are {len(of.index)} images.")
    for name in rules.confounders:
        if name not in of.numeric and name not in of.attributes:
            known = ", ".join((*of.numeric, *of.attributes)) or "none"
            raise NotFoundError(f"there is no confounder {name!r}. Known: {known}.")
    if rules.minimum < 2 or not 0 < rules.level < 1 or rules.caliper <= 0 or rules.bootstrap < 0 or (rules.draws or 1) < 1:
        raise UsageError("an audit needs groups of at least 2, a level between 0 and 1, a caliper above 0, and draws of at least 1.")


def _plan(of: Subjects, rules: Rules) -> Iterator[tuple[Contrast, Matching | None, tuple[str, ...], str]]:
    """Every contrast as it is, and again matched, where confounders are named: (contrast, matching, matched on, why not)."""
    names = rules.attributes if rules.attributes is not None else tuple(of.attributes)
    made = [each for name in names for each in contrasts(of, name, minimum=rules.minimum, missing=rules.missing)]
    made += [each for pair in rules.crossed for each in crossed(of, *pair, minimum=rules.minimum, missing=rules.missing)]
    for contrast in made:
        yield contrast, None, (), contrast.reason
        on = tuple(name for name in rules.confounders if name not in contrast.uses)
        if on and contrast.reason:
            yield contrast, None, on, contrast.reason
        elif on:
            matching = matched_rows(of, contrast, on, rules)
            yield contrast, matching, on, _why_not(matching, contrast, rules)


def matched_rows(of: Subjects, contrast: Contrast, on: Sequence[str], rules: Rules) -> Matching:
    """Pairs of the contrast's rows that are alike in the confounders `on`."""
    numeric = {name: contrast.numbers(of.numeric[name]) for name in on if name in of.numeric}
    categorical = {name: contrast.names(of.attributes[name]) for name in on if name not in of.numeric}
    return match(contrast.side, numeric, categorical, contrast.member, caliper=rules.caliper)


def _why_not(matching: Matching, contrast: Contrast, rules: Rules) -> str:
    pairs = len(matching.first)
    if pairs < rules.minimum:
        return f"only {pairs} of {min(contrast.sizes)} could be matched; at least {rules.minimum} pairs are needed"
    if matching.worst > rules.balance:
        name = max(matching.after, key=lambda each: abs(matching.after[each]))
        left = f"{abs(matching.after[name]):.2f}"
        return f"after matching the groups still differ in {name} by {left} standard deviations; at most {rules.balance:g} are allowed"
    return ""


def _tested(
    layer: str, values: NDArray[Any], of: Subjects, contrast: Contrast, matching: Matching | None, matched: tuple[str, ...], reason: str,
    rules: Rules, most: int, seed: int,
) -> Table:  # fmt: skip
    if reason:
        return _untested(layer, values.shape[1], contrast, matching, matched, reason)
    rows = contrast.rows_of(values)
    side, member = contrast.side, contrast.member
    if matching is not None:
        pairs = len(matching.first)
        rows = rows[np.concatenate([matching.first, matching.second])]
        side, member = np.arange(2 * pairs) < pairs, np.tile(np.arange(pairs), 2)
    ranks = selectivity.centred_ranks(rows)
    constant = np.asarray(~ranks.any(axis=0), np.bool_)
    if matching is not None:
        tested = selectivity.flipped(ranks[: len(side) // 2] - ranks[len(side) // 2 :], most=most, seed=seed)
    else:
        tested = selectivity.permuted(ranks, side, member, most=most, seed=seed)
    ends = _ends(rows, side, member, rules.bootstrap, seed + 1)
    sizes = int(side.sum()), int((~side).sum())
    p = np.where(constant, np.nan, tested.p)
    table = Table(
        layer, contrast, matching, matched, "", sizes, selectivity.auroc_of_ranks(ranks, side),
        selectivity.standardised_difference(rows, side), p, np.full(len(p), np.nan), tested.draws, tested.floor, constant, *ends,
    )  # fmt: skip
    return replace(table, specific=_specific(values, of, contrast)) if len(contrast.uses) == 2 and matching is None else table


def _untested(layer: str, units: int, contrast: Contrast, matching: Matching | None, matched: tuple[str, ...], reason: str) -> Table:
    none = np.full(units, np.nan)
    size = (len(matching.first),) * 2 if matching is not None else contrast.sizes
    zeros = np.zeros(units, np.int64)
    return Table(layer, contrast, matching, matched, reason, (size[0], size[1]), none, none, none, none, zeros, 1.0, zeros > 0)


def _ends(
    rows: NDArray[Any], side: NDArray[np.bool_], member: NDArray[np.int64], draws: int, seed: int
) -> tuple[Float64 | None, Float64 | None]:
    if not draws:
        return None, None
    weights = resampled(member, draws, seed)
    return auroc_intervals(rows, side, weights), difference_intervals(rows, side, weights)


def _specific(values: NDArray[Any], of: Subjects, cell: Contrast) -> dict[str, Float64]:
    """How far a cell is from those that share one of its two attributes: a unit that answers only to both is far from either."""
    found = {}
    for name in cell.uses:
        part = within(of, cell, name, minimum=0)
        found[f"from {part.other}"] = selectivity.standardised_difference(part.rows_of(values), part.side)
    return found


def _enough(tests: int, level: float) -> int:
    return int(np.clip(np.ceil(2 * tests / level), FEWEST_DRAWS, MOST_DRAWS))


def _with_q(tables: Sequence[Table]) -> tuple[Table, ...]:
    """Benjamini-Hochberg over units x attributes x layers, unmatched and matched apart."""
    done = list(tables)
    for matched in (False, True):
        chosen = [place for place, table in enumerate(done) if bool(table.matched) is matched]
        p = np.concatenate([done[place].p for place in chosen]) if chosen else np.zeros(0)
        q, known = np.full(len(p), np.nan), ~np.isnan(p)
        if known.any():
            q[known] = false_discovery_control(p[known], method="bh")
        bounds = np.cumsum([len(done[place].p) for place in chosen])[:-1]
        for place, part in zip(chosen, np.split(q, bounds) if chosen else [], strict=True):
            done[place] = replace(done[place], q=part)
    return tuple(done)
