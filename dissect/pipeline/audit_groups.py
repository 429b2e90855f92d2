"""The audit of a run by response and by effect: recorded activations, groups of the data set's card, what they are matched on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from dissect.audit import confounders, response_findings
from dissect.audit.compare import compare_counts
from dissect.audit.effect import audit_effects, unit_effects
from dissect.audit.finding import AuditReport, Comparison
from dissect.audit.groups import Subjects, contrasts, subjects
from dissect.audit.response import Rules, audit_responses
from dissect.audit.responses import Responses, unit_responses
from dissect.errors import NotFoundError, NotSupportedError
from dissect.pipeline.probed import Probed

PLACE = ("size", "x", "y")
MOST_NAMES = 8
"""An attribute of numbers with more different values than this is matched as a number, else by equality."""


def audit_groups(
    of: str, probed: Probed, attributes: Sequence[str], match: Sequence[str], *, seed: int = 0, effect: bool = False, workers: int = 1
) -> list[AuditReport]:
    """What the groups of the attributes differ in: by response, and by effect if asked for.

    Raises:
        NotFoundError: an attribute or a confounder is not known; those there are, are listed.
        NotSupportedError: the network has no outputs of classes that an effect could be measured on.
    """
    responses = {layer: unit_responses(probed.result, layer, probed.vocabulary) for layer in probed.result.recorded}
    who, on = _subjects(probed, next(iter(responses.values())), match, workers)
    rules = Rules(attributes=_chosen(who, attributes), confounders=on, seed=seed)
    found = audit_responses({layer: each.values for layer, each in responses.items()}, who, rules)
    reports = [response_findings.report(of, found)]
    if effect:
        effects = {layer.layer.name: _effects(probed, layer.layer) for layer in probed.result.layers}
        reports.append(response_findings.report(of, audit_effects(effects, who, rules)))
    return reports


def compare_groups(names: tuple[str, str], first: Probed, second: Probed, attributes: Sequence[str], *, seed: int = 0) -> list[Comparison]:
    """Whether two networks differ in the share of units that tell groups apart, on the same pictures.

    Raises:
        NotSupportedError: they were run on different pictures.
    """
    if not np.array_equal(first.result.image_index, second.result.image_index) or _keys(first) != _keys(second):
        raise NotSupportedError(
            "the two runs used different pictures; only responses to the same can be compared. Run both on one data set."
        )
    sides = []
    for probed in (first, second):
        every = [unit_responses(probed.result, layer, probed.vocabulary) for layer in probed.result.recorded]
        sides.append(np.concatenate([each.values for each in every], axis=1))
    who, _ = _subjects(first, unit_responses(first.result, next(iter(first.result.recorded)), first.vocabulary), (), 1)
    plan = [each for name in _chosen(who, attributes) for each in contrasts(who, name, minimum=Rules().minimum)]
    return [compare_counts(sides[0], sides[1], contrast, names=names, seed=seed) for contrast in plan if not contrast.reason]


def _chosen(who: Subjects, attributes: Sequence[str]) -> tuple[str, ...]:
    return tuple(who.attributes) if "all" in attributes else tuple(dict.fromkeys(attributes))


def _keys(probed: Probed) -> list[str]:
    return [probed.records[int(index)].key for index in probed.result.image_index]


def _subjects(probed: Probed, responses: Responses, match: Sequence[str], workers: int) -> tuple[Subjects, tuple[str, ...]]:
    """The images with what is known of them, and the names of the confounders as the tests know them."""
    numeric: dict[str, NDArray[np.float64]] = {}
    names = []
    for name in match:
        full = f"{responses.region} {name}" if name in PLACE else name
        names.append(full)
        numeric.update(_confounder(probed, responses.region, full, workers))
    return subjects(probed.records, probed.result.image_index, responses.present, numeric), tuple(dict.fromkeys(names))


def _confounder(probed: Probed, region: str, name: str, workers: int) -> dict[str, NDArray[np.float64]]:
    """A column of numbers; nothing where the name is an attribute of few values, which is matched by equality."""
    index = probed.result.image_index
    if name in ("brightness", "contrast"):
        return {name: confounders.brightness(probed.records, index, workers)[name]}
    if region and name in [f"{region} {place}" for place in PLACE]:
        return {name: confounders.geometry(probed.result, probed.vocabulary, region)[name]}
    values = {value for i in index if (value := probed.records[int(i)].attributes.get(name)) is not None}
    if not values:
        there = sorted({key for i in index for key in probed.records[int(i)].attributes})
        known = ["brightness", "contrast", *(PLACE if region else ()), *there]
        raise NotFoundError(f"--match: there is no {name!r}. There are: {', '.join(known)}.")
    if len(values) > MOST_NAMES and all(_is_number(value) for value in values):
        return {name: confounders.column(probed.records, index, name)}
    return {}


def _is_number(value: str) -> bool:
    try:
        return value == "" or np.isfinite(float(value)).item()
    except ValueError:
        return False


def _effects(probed: Probed, layer: Any) -> NDArray[np.float32]:
    return unit_effects(probed.network, layer, probed.records, probed.result.image_index, own_answer)


def own_answer(outputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """(K+1, B, O) outputs to (K+1, B): the probability of the class that the whole network (row 0) answers.

    Raises:
        NotSupportedError: there is one output or none.
    """
    if outputs.shape[-1] < 2:
        raise NotSupportedError("an audit by effect needs a network whose outputs are two or more classes.")
    answer = outputs[0].argmax(axis=-1)
    shares: NDArray[np.float64] = softmax(outputs.astype(np.float64), axis=-1)
    return np.take_along_axis(shares, np.broadcast_to(answer[None, :, None], (*outputs.shape[:2], 1)), axis=-1)[..., 0]
