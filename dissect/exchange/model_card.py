"""A run as a model card in Markdown: what the network's units detect, how that was tested, what audits found, what it does not say.

The form follows Mitchell et al. 2019, "Model Cards for Model Reporting": facts about the network, the data, results, caveats. Every name
is foreign text and is escaped, so that none becomes markup where the card is shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from dissect import __version__, atomic
from dissect.audit.finding import AuditReport, Finding
from dissect.exchange.from_store import report_view
from dissect.exchange.report import limits
from dissect.exchange.summary import CategoryBars, layer_facts, layer_sentence
from dissect.exchange.view import ReportLabel, ReportLayer, ReportRun
from dissect.exchange.words import clean, clip, name_of, some, two
from dissect.store import AuditRecord, LayerMethod, Store

MOST_CONCEPTS = 15
MOST_FINDINGS = 20
LONGEST = 200
METHODS = {
    "netdissect": 'D. Bau et al., "Network Dissection", CVPR 2017',
    "compositional": 'J. Mu and J. Andreas, "Compositional Explanations of Neurons", NeurIPS 2020',
    "compexp": 'J. Mu and J. Andreas, "Compositional Explanations of Neurons", NeurIPS 2020',
    "milan": 'E. Hernandez et al., "Natural Language Descriptions of Deep Visual Features", ICLR 2022',
    "clip-dissect": 'T. Oikarinen and T.-W. Weng, "CLIP-Dissect", ICLR 2023',
    "invert": 'K. Bykov et al., "Labeling Neural Representations with Inverse Recognition", NeurIPS 2023',
    "falcon": 'N. Kalibhat et al., "Identifying Interpretable Subspaces in Image Representations", ICML 2023',
}
_MARKUP = re.compile(r"([\\`*_\[\]#|!~$^{}()<>])")


def export_model_card(store: Store, run_id: int, path: Path) -> Path:
    """Write a run's model card. Returns `path`."""
    atomic.write_text(path, model_card(store, run_id))
    return path


def model_card(store: Store, run_id: int) -> str:
    """The card as Markdown."""
    record = store.run(run_id)
    view = report_view(store, record.id)
    methods = store.layer_methods(record.id)
    audits = [store.audit(each.id) for each in store.audits(record.id)]
    parts = [
        [f"# What the units of {md(view.network)} detect", "", _summary(view)],
        _facts(view),
        *(_layer(view, layer, [each for each in methods if each.layer == layer.name]) for layer in view.layers),
        _audits(audits),
        ["## Caveats", "", *(f"- {md(line)}" for line in limits(view)), f"- {_chance(view)}"],
        _cite(view, [*record.methods, *(each.method for each in methods)]),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def md(text: object, longest: int = LONGEST) -> str:
    """Foreign text as Markdown shows it: as it is written, on one line, never as markup."""
    line = " ".join(clip(clean(str(text)), longest).split())
    return _MARKUP.sub(r"\\\1", line.replace("&", "&amp;")).replace("\\<", "&lt;").replace("\\>", "&gt;").replace("://", ":&#47;/")


def _summary(view: ReportRun) -> str:
    units = sum(len(layer.units) for layer in view.layers)
    source = f", read from the {md(view.imported)}" if view.imported else ""
    rule = "" if view.label_kind == "none" else f" A unit counts as a detector if {md(view.detector_rule)}."
    return f"{some(units, 'unit')} in {some(len(view.layers), 'layer')}, labelled with {md(view.dataset)}{source}.{rule}"


def _facts(view: ReportRun) -> list[str]:
    rows = [
        ("network", "; ".join(part for part in (view.network, view.network_note) if part)),
        ("data set", "; ".join(part for part in (view.dataset, view.dataset_note) if part)),
        ("images used", "not known" if view.imported else f"{view.image_count:,}"),
        ("profile", view.profile),
        ("share of positions above the threshold", f"{100 * view.quantile:g} %" if view.quantile else "not known"),
        ("state", view.state),
        ("run", f"{view.run}, begun {view.created}"),
        ("fingerprint", view.fingerprint),
        ("versions", ", ".join(f"{name} {version}" for name, version in view.versions.items())),
    ]
    return ["## The run", "", *_table(("what", "value"), [(name, md(value)) for name, value in rows if value])]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *rows)]


def _layer(view: ReportRun, layer: ReportLayer, methods: Sequence[LayerMethod]) -> list[str]:
    facts = layer_facts(layer)
    lines = [f"## Layer {md(layer.name)}", "", md(layer_sentence(layer, facts, view), 1000)]
    if facts.histogram:
        lines += ["", *_concepts(facts.histogram)]
    return lines + _tested(methods)


def _concepts(groups: Sequence[CategoryBars]) -> list[str]:
    """The concepts with most detectors, with the best of each."""
    bars = sorted((bar for group in groups for bar in group.bars), key=lambda bar: (-len(bar.units), bar.name))
    rows = []
    for bar in bars[:MOST_CONCEPTS]:
        best = bar.units[0].label or ReportLabel("")
        tested = [unit.label for unit in bar.units if unit.label is not None and unit.label.q is not None]
        sure = sum((label.q or 0.0) <= 0.05 for label in tested)
        rows.append((
            md(bar.name), md(bar.category), f"{len(bar.units):,}", f"unit {bar.units[0].index}, {two(best.score)}",
            f"{sure:,} of {len(tested):,}" if tested else "not tested",
        ))  # fmt: skip
    more = [f"And {len(bars) - MOST_CONCEPTS:,} further concepts."] if len(bars) > MOST_CONCEPTS else []
    table = _table(("concept", "category", "detectors", "best", "told from chance (q at most .05)"), rows)
    return [*table, *(["", *more] if more else [])]


def _tested(methods: Sequence[LayerMethod]) -> list[str]:
    """What the tests of the layer's labels came to, and what was wrong with an imported table."""
    found = []
    for done in methods:
        lines = done.summary.get("lines") if done.method == "verification" else None
        found += [f"- {md(line, 600)}" for line in lines] if isinstance(lines, list) else []
        if done.method == "import" and done.summary.get("violated"):
            found.append(f"- {done.summary['violated']} violations of what the method promises; the table's numbers stand as they are.")
    return ["", *found] if found else []


def _audits(audits: Sequence[tuple[AuditRecord, AuditReport]]) -> list[str]:
    lines = ["## Audits", ""]
    if not audits:
        return [*lines, "None was made: nothing is claimed about faces, skin, gender, age or other groups of people."]
    for record, report in audits:
        counts = ", ".join(f"{number:,} {state}" for state, number in sorted(record.counts.items()))
        against = f" against {md(record.against)}" if record.against else ""
        found = [_place(each) + each.text for each in report.findings if each.state == "found" and each.text]
        lines += [f"Audit {record.id}{against}: {counts or 'no findings'}.", ""]
        lines += [f"- {md(text, 600)}" for text in dict.fromkeys(found[:MOST_FINDINGS])]
        lines += [f"- and {len(found) - MOST_FINDINGS:,} more"] if len(found) > MOST_FINDINGS else []
        lines += [f"- not tested: {md(text, 600)}" for text in report.untested]
        lines.append("")
    return [*lines, "A finding says that units answer differently, not that the network treats anybody unfairly."]


def _place(finding: Finding) -> str:
    """`layer4/7: `, as far as it is about a layer and a unit."""
    parts = [finding.layer] if finding.layer else []
    parts += [] if finding.unit is None else [str(finding.unit)]
    return f"{'/'.join(parts)}: " if parts else ""


def _chance(view: ReportRun) -> str:
    labels = [unit.label for layer in view.layers for unit in layer.units if unit.label is not None]
    tested = [label for label in labels if label.q is not None]
    if not tested:
        return "No label was tested for chance: with many concepts to choose from, some concept fits any unit a little."
    doubtful = [name_of(label) for label in tested if (label.q or 0.0) > 0.05]
    return f"{len(doubtful):,} of {len(tested):,} tested labels are not distinguishable from chance (q above .05)."


def _cite(view: ReportRun, methods: Sequence[str]) -> list[str]:
    named = [METHODS[method] for method in dict.fromkeys(methods) if method in METHODS]
    lines = ["## How to cite", "", *(f"- {md(line)}" for line in dict.fromkeys(named))]
    lines.append(f"- dissect {__version__}, run with fingerprint {md(view.fingerprint)}")
    if view.imported:
        lines.append(f"- the authors of the {md(view.imported)}")
    return lines
