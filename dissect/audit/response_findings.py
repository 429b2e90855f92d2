"""The tables of an audit by response or by effect in words: one finding a unit and test, families, power, and what could not be tested."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from dissect.audit.finding import AuditReport, Family, Finding, Power, State
from dissect.audit.power import POWER, as_auroc, detectable
from dissect.audit.response import Selectivity, Table
from dissect.fingerprint import Plain

WHAT = {"response": "responds", "effect": "matters"}
"""What a unit does more strongly, by kind of audit."""


def report(of: str, result: Selectivity) -> AuditReport:
    """The whole audit: every test as a finding, found or not. of: what was audited, such as the run's name."""
    rules = result.rules
    settings: dict[str, Plain] = {
        "kind": result.kind,
        "attributes": list(dict.fromkeys(table.contrast.subject for table in result.tables)),
        "confounders": list(rules.confounders),
        "minimum": rules.minimum,
        "level": rules.level,
        "caliper": rules.caliper,
        "balance": rules.balance,
        "bootstrap": rules.bootstrap,
        "seed": rules.seed,
    }
    return AuditReport(
        of=of, findings=tuple(findings(result)), tested=tested(result), untested=untested(result), families=families(result),
        power=powers(result), settings=settings,
    )  # fmt: skip


def findings(result: Selectivity) -> Iterator[Finding]:
    """One a unit, contrast, layer and way of comparing; one for the whole layer where nothing could be tested."""
    for table in result.tables:
        if table.reason:
            yield _whole(result, table)
        else:
            found = table.found(result.rules.level)
            for unit in range(len(table.p)):
                yield _finding(result, table, unit, bool(found[unit]))


def families(result: Selectivity) -> tuple[Family, ...]:
    """The unmatched tests and the matched ones."""
    made = []
    for matched in (False, True):
        tables = [table for table in result.tables if bool(table.matched) is matched]
        tests = sum(int((~np.isnan(table.p)).sum()) for table in tables)
        if tables:
            name = f"{result.kind}, {'matched' if matched else 'unmatched'}"
            found = sum(int(table.found(result.rules.level).sum()) for table in tables)
            made.append(Family(name, tests, found, result.rules.level, "Benjamini-Hochberg over units x attributes x layers"))
    return tuple(made)


def powers(result: Selectivity) -> tuple[Power, ...]:
    """For every contrast that was tested, the smallest difference that a unit on its own would be found with, in four of five cases."""
    made: dict[tuple[str, str], Power] = {}
    tests = {matched: sum(int((~np.isnan(t.p)).sum()) for t in result.tables if bool(t.matched) is matched) for matched in (False, True)}
    for table in result.tables:
        if table.reason:
            continue
        matched = bool(table.matched)
        name = f"{_versus(table)}{', matched' if matched else ''}"
        alone = detectable(*table.sizes, result.rules.level / max(tests[matched], 1))
        one = detectable(*table.sizes, result.rules.level)
        text = (
            f"{table.contrast.subject}, {name}: {table.sizes[0]} against {table.sizes[1]} find a standardised difference of {alone:.2f} "
            f"(AUROC {as_auroc(alone):.2f}) with 80 % probability in one unit alone among {tests[matched]:,} tests; {one:.2f} in a single "
            f"test. Smallest p: {table.floor:.1g}{_resolution(table, tests[matched], result.rules.level)}."
        )
        made.setdefault(
            (table.contrast.subject, name), Power(table.contrast.subject, table.sizes, alone, "standardised difference", POWER, text)
        )
    return tuple(made.values())


def tested(result: Selectivity) -> tuple[str, ...]:
    """What was looked at, in sentences."""
    layers = list(dict.fromkeys(table.layer for table in result.tables))
    subjects = list(dict.fromkeys(table.contrast.subject for table in result.tables if not table.reason))
    where = f"{result.present} of {result.images} images, those with somebody in them"
    said = [
        f"{len(layers)} {'layers' if len(layers) != 1 else 'layer'}, by {result.kind}, on {where}: {', '.join(subjects) or 'no attribute'}."
    ]
    if result.grouped:
        said.append("Images of one person count as one, with their mean.")
    if result.rules.confounders:
        said.append(f"Each test was repeated on pairs matched on {', '.join(result.rules.confounders)}.")
    return tuple(said)


def untested(result: Selectivity) -> tuple[str, ...]:
    """What could not be tested and why, and units that could not."""
    said = []
    for table in result.tables:
        matched = f", matched on {', '.join(table.matched)}" if table.matched else ""
        if table.reason:
            said.append(f"{table.contrast.subject}, {_versus(table)}{matched}: {table.reason}.")
        if table.contrast.missing and not table.matched:
            said.append(f"{table.contrast.subject}: {table.contrast.missing} images with somebody in them have no value.")
        if not table.reason and table.constant.any():
            said.append(
                f"{int(table.constant.sum())} units of {table.layer} never vary on these images ({table.contrast.subject}{matched})."
            )
    return tuple(dict.fromkeys(said))


def _whole(result: Selectivity, table: Table) -> Finding:
    text = f"{table.contrast.subject}, {_versus(table)}: not testable, {table.reason}."
    return Finding(
        result.kind, table.layer, None, table.contrast.subject, "not testable", table.contrast.value, table.contrast.groups,
        matched=table.matched, balance=_balance(table), reason=table.reason, text=text, details=_pairs(table),
    )  # fmt: skip


def _finding(result: Selectivity, table: Table, unit: int, found: bool) -> Finding:
    constant = bool(table.constant[unit])
    state: State = "not testable" if constant else "found" if found else "not found"
    reason = "the unit never varies on these images" if constant else ""
    ends = table.auroc_ends
    return Finding(
        kind=result.kind, layer=table.layer, unit=unit, subject=table.contrast.subject, state=state, value=table.contrast.value,
        groups=table.contrast.groups, effect=None if constant else float(table.auroc[unit]), effect_name="AUROC",
        interval=None if constant or ends is None else _pair(ends[:, unit]), p=_number(table.p[unit]), q=_number(table.q[unit]),
        matched=table.matched, balance=_balance(table), reason=reason, text=_text(result, table, unit, state),
        details=_details(table, unit),
    )  # fmt: skip


def _text(result: Selectivity, table: Table, unit: int, state: State) -> str:
    who = f"Unit {unit} of {table.layer}"
    if state == "not testable":
        return f"{who} never varies on these images."
    value = table.auroc[unit]
    higher, lower = (table.contrast.value, table.contrast.other) if value >= 0.5 else (table.contrast.other, table.contrast.value)
    numbers = f"AUROC {value:.2f}, q = {table.q[unit]:.2g}{f', matched on {_listed(table)}' if table.matched else ''}"
    if state == "not found":
        return f"{who}: no difference shown between {_versus(table)} ({numbers})."
    return f"{who} {WHAT.get(result.kind, 'differs')} more for {higher} than for {lower} ({numbers})."


def _details(table: Table, unit: int) -> dict[str, Plain]:
    found: dict[str, Plain] = {"standardised difference": _number(table.difference[unit])}
    if table.difference_ends is not None:
        low, high = _pair(table.difference_ends[:, unit]) or (None, None)
        found |= {"standardised difference, low": low, "standardised difference, high": high}
    found |= {"draws": int(table.draws[unit]), "smallest possible p": table.floor}
    found |= {f"standardised difference {name}": _number(values[unit]) for name, values in table.specific.items()}
    return found | _pairs(table)


def _pairs(table: Table) -> dict[str, Plain]:
    if table.matching is None:
        return {}
    before: dict[str, Plain] = {f"difference in {name} before matching": value for name, value in table.matching.before.items()}
    return {"pairs": len(table.matching.first), "pairs lost": table.matching.lost, **before}


def _balance(table: Table) -> dict[str, float]:
    return {} if table.matching is None else dict(table.matching.after)


def _versus(table: Table) -> str:
    return f"{table.contrast.value or 'nobody'} against {table.contrast.other or 'nobody'}"


def _listed(table: Table) -> str:
    return ", ".join(table.matched)


def _resolution(table: Table, tests: int, level: float) -> str:
    """How many units must be at the floor together to be found, where one is not enough."""
    needed = math.ceil(table.floor * tests / level)
    return f", so that at least {needed} units must reach it to be found" if needed > 1 else ""


def _pair(ends: np.ndarray) -> tuple[float, float] | None:
    low, high = float(ends[0]), float(ends[1])
    return None if math.isnan(low) or math.isnan(high) else (low, high)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
