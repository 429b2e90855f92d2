"""A unit's description, read from the labels of the store and said in words. What their details lack, or hold wrongly, is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dissect.exchange.formulas import number
from dissect.exchange.help import MEASURES
from dissect.exchange.view import DetectionScores, ReportDescription, ReportLabel, RunnerUp
from dissect.exchange.words import percent, some, two
from dissect.fingerprint import Plain
from dissect.store.views import LabelView

METHOD = "milan"
ANCHORS = ("description", "pmi", "detection", "agreement")
"""Entries of the help page that lines of a description point to."""
KINDS = ("concept", "formula")
"""Of the labels whose concepts a description may name."""
NAMES = {"constant": "the commonest concept", "most_frequent": "the commonest description", "shuffled": "another unit's description"}
"""What stands beside a detection score, in words."""


def report_description(labels: Sequence[LabelView], shown: Mapping[int, ReportLabel]) -> ReportDescription | None:
    """All about the description among the labels of one unit. shown: label id -> the same label as the report has it."""
    ranked = sorted((label for label in labels if label.kind == "description" and label.method == METHOD), key=lambda label: label.rank)
    if not ranked or ranked[0].rank != 1:
        return None
    first, details = ranked[0], ranked[0].details
    tested = details.get("detection")
    beside = _part(tested.get("baselines")) if isinstance(tested, Mapping) else {}
    return ReportDescription(
        label=shown[first.id],
        log_p_given=number(details.get("log_p_given")),
        log_p=number(details.get("log_p")),
        weight=number(details.get("lambda")),
        decoding=_text(details.get("decoding")),
        prior=_text(details.get("prior")),
        captioner=_text(details.get("captioner")),
        world=_text(details.get("world")),
        detection=_scores(tested),
        baselines={name: scores for name in NAMES if (scores := _scores(beside.get(name))) is not None},
        untested=_text(details.get("untested")),
        note=_text(details.get("note")),
        names={kind: agrees for kind in KINDS if isinstance(agrees := details.get(f"names_{kind}"), bool)},
        chance={kind: share for kind in KINDS if (share := number(details.get(f"names_{kind}_chance"))) is not None},
        runners=tuple(
            RunnerUp(label.text, label.score, number(label.details.get("log_p_given")), number(label.details.get("log_p")))
            for label in ranked[1:]
        ),
    )  # fmt: skip


def _scores(found: Plain) -> DetectionScores | None:
    if not isinstance(found, Mapping) or number(found.get("auc")) is None:
        return None
    images = number(found.get("images"))
    return DetectionScores(number(found.get("auc")), number(found.get("balanced_accuracy")), int(images or 0), found.get("mapped") is True)


def _part(value: object) -> Mapping[str, Plain]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def lines_of_description(found: ReportDescription) -> list[tuple[str, str, str]]:
    """(anchor of the help page, name, words) of everything known of a description."""
    return [*_probabilities(found), *_detection(found), *_named(found), *_captioner(found)]


def _probabilities(found: ReportDescription) -> list[tuple[str, str, str]]:
    lines = []
    if found.label.score is not None and found.weight is not None and found.label.measure != "log_p_given":
        name = MEASURES.get(found.label.measure, "PMI")
        lines.append(("pmi", name, f"{two(found.label.score)} nats = log p(d|E) - {two(found.weight)} log p(d)"))
    if found.log_p_given is not None:
        lines.append(("pmi", "log p(d|E)", f"{two(found.log_p_given)} nats, given the exemplars"))
    if found.log_p is not None:
        lines.append(("pmi", "log p(d)", f"{two(found.log_p)} nats, {_by(found.prior)}"))
    return lines


def _by(prior: str) -> str:
    """What gave log p(d), in words."""
    if prior.startswith("lm:"):
        return f"of a language model that is not the captioner's ({prior.removeprefix('lm:')}), so the difference is no PMI"
    return "of the mean over units" if prior == "marginal" else "of its language model"


def _detection(found: ReportDescription) -> list[tuple[str, str, str]]:
    if found.detection is None:
        return [("detection", "detection", f"not tested: {found.untested}")] if found.untested else []
    scores = found.detection
    words = f"AUC {two(scores.auc)}, balanced accuracy {two(scores.balanced_accuracy)}, on {some(scores.images, 'image')}"
    beside = [f"{NAMES[name]} {two(scores.auc)}" for name, scores in found.baselines.items()]
    words += f"; AUC of {', '.join(beside)}" if beside else ""
    return [("detection", "detection", words + (f"; {found.note}" if found.note else ""))]


def _named(found: ReportDescription) -> list[tuple[str, str, str]]:
    lines = []
    for kind, agrees in found.names.items():
        what = "the unit's concept" if kind == "concept" else "a concept of the unit's formula"
        share = f"; {percent(found.chance[kind])} of the other units' descriptions do" if kind in found.chance else ""
        lines.append(("agreement", f"agrees with the {kind}", f"its words {'name' if agrees else 'do not name'} {what}{share}"))
    return lines


def _captioner(found: ReportDescription) -> list[tuple[str, str, str]]:
    how = f", decoded by {found.decoding}" if found.decoding else ""
    return [("description", "captioner", f"{found.captioner}{how}")] if found.captioner else []


def world_words(found: ReportDescription) -> str:
    """What the captioner knows, as a warning; nothing where its card does not say."""
    return f"Its captioner only knows {found.world}. Of anything else the description is a guess." if found.world else ""


def layer_words(found: Mapping[str, Plain]) -> str:
    """A layer's descriptions in a sentence, with a blank in front; nothing where there are none."""
    described, units = number(found.get("described")), number(found.get("units"))
    if described is None or units is None:
        return ""
    parts = [f"{described:,.0f} of {some(int(units), 'unit')} by {_text(found.get('captioner')) or 'a captioner'}"]
    tested = found.get("detection")
    if isinstance(tested, Mapping) and number(tested.get("auc")) is not None:
        beside = tested.get("baselines")
        other = beside.get("shuffled") if isinstance(beside, Mapping) else None
        against = f" against {two(number(other.get('auc')))} when shuffled" if isinstance(other, Mapping) else ""
        parts.append(f"detection {two(number(tested.get('auc')))}{against}, {percent(number(tested.get('coverage')))} name a concept")
    elif untested := _text(found.get("untested")):
        parts.append(f"not tested: {untested}")
    if world := _text(found.get("world")):
        parts.append(f"the captioner only knows {world}")
    return f" Descriptions: {'; '.join(parts)}."


def reason_words(found: Mapping[str, Plain], unit: int) -> str:
    """Why a unit of a described layer has no description; nothing where it has one, or the layer was not described."""
    reasons = found.get("reasons")
    return _text(reasons.get(str(unit))) if isinstance(reasons, Mapping) else ""
