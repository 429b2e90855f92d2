"""Numbers and facts in the words of the pages: two significant digits, plain sentences, nothing claimed that was not tested."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from dissect.exchange.view import FormulaRange, ReportFormula, ReportLabel, ReportUnit
from dissect.store.views import AblationView

CHANCE = 0.05
"""A label whose q is above this may be chance."""
RARE = 10
"""A concept in fewer images than this is marked: so few pixels overlap with something by luck."""
NOTHING = "–"
EFFECTS = {
    "concept_loss": "more loss of its own output with the concept than without",
    "loss": "more loss of all answers with the concept than without",
    "kl": "more change of the answers with the concept than without",
}
_UNPRINTABLE = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def two(value: float | None) -> str:
    """A number with two significant digits, without the zero in front of the point: .14, 1.4, 14, 140."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    rounded = float(f"{value:.2g}")
    size = abs(rounded)
    if size >= 1e6 or size < 1e-4:
        return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")
    if size >= 10:
        return f"{rounded:,.0f}"
    digits = max(1, 1 - math.floor(math.log10(size)))
    return f"{rounded:.{digits}f}".replace("0.", ".", 1) if size < 1 else f"{rounded:.{digits}f}"


def full(value: float | None) -> str:
    """The number behind `two`, for a title."""
    return "not known" if value is None or not math.isfinite(value) else f"{value:.6g}"


def percent(share: float | None) -> str:
    """A share of 1 as a percentage with two significant digits."""
    return NOTHING if share is None or not math.isfinite(share) else f"{two(100 * share)} %"


def count(number: int | None) -> str:
    """A whole number, exact, with commas."""
    return NOTHING if number is None else f"{number:,}"


def some(number: int, noun: str) -> str:
    """`1 unit`, `2 units`, `3 categories`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"


def clip(text: str, longest: int = 120) -> str:
    """At most so many characters; the full text stands where there is room for it."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def sentence(text: str) -> str:
    """Text that begins with a capital letter."""
    return text[:1].upper() + text[1:]


def clean(text: str) -> str:
    """Text that any file can hold: control characters and half surrogates become �."""
    return _UNPRINTABLE.sub("\ufffd", text)


def name_of(label: ReportLabel | None) -> str:
    """The label's text. The label 0 that two published programs leak has no name of its own."""
    if label is None:
        return "no label"
    return label.text if label.text.strip() else "(label 0, which has no name)"


def effect_words(found: AblationView) -> str:
    """What switching a unit off did, beside matched controls."""
    if found.effect is None:
        return "not testable (too few pictures with or without the concept)"
    how = {"mean": "at its mean", "zero": "at 0", "resample": "as in another picture"}.get(found.how, found.how)
    known = found.interval_low is not None and found.interval_high is not None
    ends = f" ({two(found.interval_low)} to {two(found.interval_high)})" if known else ""
    rank = "no controls" if found.p is None else f"p {two(found.p)} among {some(found.controls, 'control')}"
    verdict = "" if found.shown else ", no effect shown"
    return f"{two(found.effect)}{ends} nats {EFFECTS.get(found.measure, found.measure)}, switched off {how}, {rank}{verdict}"


def may_be_chance(label: ReportLabel) -> bool:
    """Whether a test was made and did not tell the label from chance."""
    return label.q is not None and label.q > CHANCE


def verdict(label: ReportLabel) -> str:
    """Class of a label on the page: `tested` (bold), `untested` (plain), `chance` (grey), `weak` (concept of no detector, grey)."""
    if may_be_chance(label):
        return "chance"
    if label.q is not None:
        return "tested"
    return "untested" if label.detector or label.kind != "concept" else "weak"


def chance_words(label: ReportLabel) -> str:
    """What is known about chance."""
    if label.q is None:
        return "not tested for chance"
    if may_be_chance(label):
        return f"not distinguishable from chance (q {two(label.q)})"
    return f"q {two(label.q)}"


def is_rare(images: int | None) -> bool:
    """Whether a concept occurs in so few images that its score says little."""
    return images is not None and images < RARE


def presence(images: int | None) -> str:
    """In how many images a concept occurs: `in 412 images`, `rare concept: in 3 images`, nothing where it is not known."""
    if images is None:
        return ""
    return f"{'rare concept: ' if is_rare(images) else ''}in {some(images, 'image')}"


def certificate_words(formula: ReportFormula) -> str:
    """What is proven of a formula: `optimal at length 3`, `proven gap .012: at most .14 is possible`, `found by beam, not proven`."""
    if formula.certificate == "optimal":
        return "optimal" if formula.length is None else f"optimal at length {formula.length}"
    if formula.certificate == "gap" and formula.gap is not None:
        most = "" if formula.label.score is None else f": at most {two(formula.label.score + formula.gap)} is possible"
        return f"proven gap {two(formula.gap)}{most}"
    return "found by beam, not proven"


def meanings_words(formula: ReportFormula) -> str:
    """How the meanings share what they explain: `one meaning carries 84 % of what is explained`; nothing where that is not known."""
    if formula.monosemanticity is None or not formula.meanings:
        return ""
    if len(formula.meanings) == 1:
        return "one meaning carries all that is explained"
    return f"one meaning carries {percent(formula.monosemanticity)} of what is explained"


def range_words(found: FormulaRange) -> str:
    """Its activations: `from 1.2 to 3.4`, `above 3.4`, `below 1.2`."""
    if found.low is None:
        return "all" if found.high is None else f"below {two(found.high)}"
    return f"above {two(found.low)}" if found.high is None else f"from {two(found.low)} to {two(found.high)}"


STATES = {
    "ok": "fires above its threshold in some places and not in others",
    "dead": "always 0 on these images, so it is never labelled",
    "constant": "always the same value on these images, so it is never labelled",
    "unknown": "imported from a table of labels; nothing is known of its activations",
    "saturated": "its threshold equals its maximum; the mask shows where it is at its maximum",
}


def state_words(unit: ReportUnit) -> str:
    """The unit's state in a sentence's half."""
    return STATES.get(unit.state, unit.state)


def oddities(unit: ReportUnit) -> list[str]:
    """What a reader must know before believing the pictures."""
    found = []
    if unit.twin is not None:
        found.append(f"Its maps equal those of unit {unit.twin} bit for bit; the two count once among the distinct concepts.")
    if unit.threshold is not None and unit.threshold < 0:
        found.append("Its threshold is negative: where its mask is on, the activation need not be positive.")
    if unit.exemplars and unit.exemplars[0].activation <= 0:
        found.append("Even its highest activations are not positive.")
    return found


def listed(pairs: Sequence[tuple[str, int]], most: int = 6) -> str:
    """`faces (205), eyes (122) and 3 more`."""
    shown = ", ".join(f"“{clip(word, 40)}” ({count(number)})" for word, number in pairs[:most])
    return f"{shown} and {len(pairs) - most:,} more" if len(pairs) > most else shown


def duration(seconds: float | None) -> str:
    """A time in words."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return "not known"
    if seconds < 100:
        return f"{two(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
