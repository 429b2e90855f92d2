"""Audit by description: units whose description holds a word of a lexicon, how sure the describers are of it, and two networks compared.

Sources: Hernandez et al. 2022 (MILAN) count units described by face words in ordinary and face-blurred networks. Newcombe 1998, "Interval
estimation for the difference between independent proportions", method 10; Fleiss 1971 (kappa).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from dissect.audit.finding import Comparison, Finding, Group, Kind, WordCounts
from dissect.audit.lexicon import Lexicon
from dissect.errors import CountError

MOST_WORDS = 12
MOST_EXAMPLES = 12
Unit = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Description:
    """What somebody, or a method, says of a unit. A unit may have several."""

    layer: str
    unit: int
    text: str


@dataclass(frozen=True, slots=True)
class DescriptionAudit:
    """One lexicon over one network's descriptions: the three counts, and a finding for every flagged unit (or one that none is)."""

    counts: WordCounts
    findings: tuple[Finding, ...]


def audit_descriptions(words: Lexicon, descriptions: Sequence[Description], source: str) -> DescriptionAudit:
    """Units whose description holds a lemma of the lexicon or a listed inflection of one, and what other rules would have counted.

    A unit counts if any of its descriptions does; how many of them do is the finding's effect (a share). Without descriptions the
    lexicon is `not testable`.
    """
    by_unit: dict[Unit, list[str]] = {}
    for each in descriptions:
        by_unit.setdefault((each.layer, each.unit), []).append(each.text)
    flagged = {unit: found for unit, texts in by_unit.items() if (found := _flags(words, texts)).lemmas}
    counts = _counts(words, by_unit, flagged, source)
    findings = tuple(_finding(words, unit, by_unit[unit], flagged[unit]) for unit in sorted(flagged))
    return DescriptionAudit(counts, findings or (_nothing(words, counts),))


def compare_proportions(
    kind: Kind, subject: str, first: tuple[str, int, int], second: tuple[str, int, int], confidence: float = 0.95
) -> Comparison:
    """Whether two networks differ in the share of units found. first, second: (name, units found, units looked at).

    p: Fisher's exact test, two-sided. interval: Newcombe's hybrid score interval of the difference of the shares.

    Raises:
        CountError: no units, or more found than there are.
    """
    for name, found, units in (first, second):
        if not 0 <= found <= units or units == 0:
            raise CountError(f"{name}: {found} of {units} units cannot be compared. Both sides need units.")
    (_, found, units), (_, other, total) = first, second
    p = float(stats.fisher_exact(np.array([[found, units - found], [other, total - other]])).pvalue)
    difference = found / units - other / total
    low, high = difference_interval(found, units, other, total, confidence)
    text = (
        f"{found:,} of {units:,} units ({100 * found / units:.1f} %) in {first[0]}, "
        f"{other:,} of {total:,} ({100 * other / total:.1f} %) in {second[0]}: "
        f"a difference of {100 * difference:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})."
    )
    return Comparison(kind, subject, first[0], second[0], units, total, found, other, difference, (low, high), min(1.0, p), text=text)


def with_q(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The comparisons with their q-values (Benjamini-Hochberg over all of them)."""
    if not comparisons:
        return ()
    adjusted = stats.false_discovery_control([each.p for each in comparisons])
    return tuple(replace(each, q=float(q)) for each, q in zip(comparisons, adjusted, strict=True))


def difference_interval(found: int, units: int, other: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Newcombe's interval of found / units - other / total; never outside [-1, 1]."""
    first, second = found / units, other / total
    (low, high), (down, up) = _wilson(found, units, confidence), _wilson(other, total, confidence)
    difference = first - second
    return difference - math.hypot(first - low, up - second), difference + math.hypot(high - first, second - down)


def fleiss_kappa(yes: Sequence[int], raters: int) -> float | None:
    """Agreement beyond chance of `raters` people who said yes or no of each unit.

    yes: how many said yes, a unit. None if nobody or everybody said yes, or there is one rater.
    """
    if raters < 2 or not yes:
        return None
    share = sum(yes) / (raters * len(yes))
    chance = share * share + (1 - share) * (1 - share)
    if chance == 1:
        return None
    agreed = sum((y * (y - 1) + (raters - y) * (raters - y - 1)) for y in yes) / (len(yes) * raters * (raters - 1))
    return (agreed - chance) / (1 - chance)


@dataclass(frozen=True, slots=True)
class _Flags:
    """Of one unit: how many descriptions hold a lemma, which lemmas, which groups, and the first text that does."""

    votes: int
    lemmas: tuple[str, ...]
    groups: tuple[str, ...]
    text: str


def _flags(words: Lexicon, texts: Sequence[str]) -> _Flags:
    hits = [words.hits(text) for text in texts]
    every = [hit for found in hits for hit in found]
    first = next((text for text, found in zip(texts, hits, strict=True) if found), "")
    lemmas, groups = (tuple(dict.fromkeys(names)) for names in ([hit.lemma for hit in every], [hit.group for hit in every]))
    return _Flags(sum(bool(found) for found in hits), lemmas, groups, first)


def _counts(words: Lexicon, by_unit: Mapping[Unit, Sequence[str]], flagged: Mapping[Unit, _Flags], source: str) -> WordCounts:
    texts = [text for each in by_unit.values() for text in each]
    annotators = max((len(each) for each in by_unit.values()), default=1)
    agreement = tuple(sum(flags.votes >= least for flags in flagged.values()) for least in range(1, annotators + 1))
    inside = [unit for unit, each in by_unit.items() if any(words.inside(text) for text in each)]
    groups = Counter(group for flags in flagged.values() for group in flags.groups)
    return WordCounts(
        lexicon=words.name, source=source, units=len(by_unit), texts=len(texts),
        whole=sum(any(words.whole(text) for text in each) for each in by_unit.values()),
        lemma=len(flagged), substring=len(inside), missed=_most(_missed(words, texts)), false_hits=_most(_false_hits(words, texts)),
        set_aside=_most(phrase for text in texts for phrase in set(words.set_aside(text))), groups=tuple(sorted(groups.items())),
        annotators=annotators, agreement=agreement,
        kappa=_kappa(by_unit, flagged, annotators),
        examples=tuple((*unit, flags.text) for unit, flags in sorted(flagged.items())[:MOST_EXAMPLES]),
    )  # fmt: skip


def _kappa(by_unit: Mapping[Unit, Sequence[str]], flagged: Mapping[Unit, _Flags], annotators: int) -> float | None:
    if any(len(texts) != annotators for texts in by_unit.values()):
        return None
    return fleiss_kappa([flagged[unit].votes if unit in flagged else 0 for unit in by_unit], annotators)


def _missed(words: Lexicon, texts: Iterable[str]) -> Iterable[str]:
    """Words that count in texts where the whole-word rule sees nothing."""
    for text in texts:
        if not words.whole(text):
            yield from {hit.words for hit in words.hits(text)}


def _false_hits(words: Lexicon, texts: Iterable[str]) -> Iterable[str]:
    """Words that only the substring rule takes for the subject."""
    for text in texts:
        found = set(words.inside(text))
        if found:
            counted = {word for hit in words.hits(text) for word in (hit.words, *hit.words.split())}
            apart = {word for phrase in words.set_aside(text) for word in phrase.split()}
            yield from found - counted - apart


def _most(values: Iterable[str]) -> tuple[tuple[str, int], ...]:
    counted = Counter(values)
    return tuple(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_WORDS])


def _finding(words: Lexicon, unit: Unit, texts: Sequence[str], flags: _Flags) -> Finding:
    layer, index = unit
    share = flags.votes / len(texts)
    said = f"{flags.votes} of {len(texts)} descriptions say" if len(texts) > 1 else "the description says"
    return Finding(
        "description", layer, index, words.name, "found", value=", ".join(flags.groups),
        groups=(Group("descriptions with the word", flags.votes), Group("descriptions", len(texts))), effect=share,
        effect_name="share of descriptions", text=f"{said} {', '.join(flags.lemmas)}: {flags.text}",
        details={"lemmas": list(flags.lemmas), "description": flags.text},
    )  # fmt: skip


def _nothing(words: Lexicon, counts: WordCounts) -> Finding:
    if counts.units == 0:
        reason = f"{counts.source} holds no description of any unit."
        return Finding("description", "", None, words.name, "not testable", reason=reason, text=reason)
    text = f"no word of this lexicon in the descriptions of {counts.units:,} units."
    return Finding("description", "", None, words.name, "not found", effect=0.0, effect_name="share of units", text=text)


def _wilson(found: int, units: int, confidence: float) -> tuple[float, float]:
    interval = stats.binomtest(found, units).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)
