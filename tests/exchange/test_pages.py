"""Pages are cut by rows and bytes, commands are quoted, cards show the strongest concepts, and every entry of the help is meant."""

from __future__ import annotations

import dataclasses
import itertools
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.exchange import help as glossary
from dissect.exchange.described import ANCHORS as DESCRIBED
from dissect.exchange.pages import CARDS, TEMPLATES, LayerPages, page_name, paged, unit_reference
from dissect.exchange.pictures import PictureBook
from dissect.exchange.report import commands, limits
from dissect.exchange.tested import ANCHORS
from dissect.exchange.view import ReportLabel, ReportLayer, ReportRun, ReportUnit


def run_of(*units: ReportUnit, **changes: object) -> ReportRun:
    layer = ReportLayer("conv", units)
    return ReportRun(run="1", network="n", dataset="d", layers=(layer,), images={}, image_count=9, **changes)  # type: ignore[arg-type]


@given(st.lists(st.text("aé", max_size=30), max_size=40), st.integers(1, 9), st.integers(1, 60))
def test_pages_hold_all_rows_in_order_and_none_is_too_large(rows: list[str], most: int, most_bytes: int) -> None:
    ranges = list(paged(rows, most, most_bytes))
    assert [row for first, stop in ranges for row in rows[first:stop]] == rows
    for first, stop in ranges:
        size = sum(len(row.encode()) for row in rows[first:stop])
        assert stop - first <= most and (size <= most_bytes or stop - first == 1)
    for (first, stop), (_, further) in itertools.pairwise(ranges):
        full = stop - first == most or sum(len(row.encode()) for row in rows[first : stop + 1]) > most_bytes
        assert full and further > stop, "a page ends only where it is full"


def test_no_rows_are_one_empty_page() -> None:
    assert list(paged([])) == [(0, 0)]


def test_the_first_page_by_score_is_the_layers_page() -> None:
    assert [page_name("score", 0), page_name("score", 1), page_name("index", 0)] == ["index.html", "score-2.html", "index-1.html"]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_a_shell_reads_the_reference_of_a_unit_as_one_word(network: str, layer: str) -> None:
    run = dataclasses.replace(run_of(), network=network)
    word = unit_reference(run, ReportLayer(layer, ()), ReportUnit(3, "ok"))
    assert shlex.split(word) == [f"{network}/{layer}/3"]


def test_commands_name_what_is_in_the_run() -> None:
    label = ReportLabel("it's; rm -rf ~", score=0.3, detector=True)
    weaker = ReportLabel("car", score=0.2, detector=True)
    view = run_of(ReportUnit(0, "ok", label=weaker), ReportUnit(1, "ok", label=label))
    assert [shlex.split(command) for _, command in commands(view)] == [
        ["dissect", "search", "it's; rm -rf ~"],
        ["dissect", "unit", "n/conv/1", "--run", "1"],
        ["dissect", "export", "1", "--format", "csv"],
    ]  # fmt: skip


def test_a_run_without_detectors_offers_no_search() -> None:
    offered = [command for _, command in commands(run_of(ReportUnit(4, "ok")))]
    assert offered == ["dissect unit n/conv/4 --run 1", "dissect export 1 --format csv"]
    assert [command for _, command in commands(dataclasses.replace(run_of(), layers=()))] == ["dissect export 1 --format csv"]


def test_limits_are_dropped_one_by_one_as_tests_are_made() -> None:
    def missing(label: ReportLabel) -> set[str]:
        said = " ".join(limits(run_of(ReportUnit(0, "ok", label=label))))
        words = {"q": "tested for chance", "held": "not chosen on", "effect": "switched off"}
        return {name for name, part in words.items() if part in said}

    assert missing(ReportLabel("car")) == {"q", "held", "effect"}
    assert missing(ReportLabel("car", q=0.1)) == {"held", "effect"}
    assert missing(ReportLabel("car", q=0.1, held_out=0.1, effect="strong")) == set()
    assert "tested for chance" not in " ".join(limits(run_of(ReportUnit(0, "ok"), label_kind="none")))


def test_cards_show_the_best_unit_of_the_strongest_concepts(tmp_path: Path) -> None:
    names = ["car", "car", *(f"thing {n}" for n in range(12))]
    units = [ReportUnit(n, "ok", label=ReportLabel(name, score=0.9 - n / 50, detector=True)) for n, name in enumerate(names)]
    view = run_of(*units)
    made = LayerPages(view, view.layers[0], "00-conv", PictureBook(view, tmp_path))
    assert [unit.index for unit in made._cards(units)] == [0, 2, 3, 4, 5, 6, 7, 8] and CARDS == 8


def test_every_place_that_templates_link_to_is_explained_and_every_entry_is_linked() -> None:
    linked: set[str] = {*ANCHORS, *DESCRIBED}
    for path in TEMPLATES.glob("*.html"):
        linked |= set(re.findall(r"(?:help\.html|help_page \}\})#([a-z-]+)", path.read_text(encoding="utf-8")))
    for kind in ("masks", "image"):
        linked.add(glossary.score_anchor(run_of(label_kind=kind)))
    anchors = [anchor for anchor, _, _ in glossary.entries(run_of())]
    assert linked == set(anchors) and len(anchors) == len(set(anchors))


@pytest.mark.parametrize("profile", sorted(glossary.PROFILES))
def test_each_profile_is_explained(profile: str) -> None:
    text = {anchor: text for anchor, _, text in glossary.entries(run_of(profile=profile))}["profile"]
    assert profile in text and len(text) > 100


def test_a_page_never_offers_a_command_that_is_not_there() -> None:
    from dissect.cli.main import app

    names = {command.name or (command.callback.__name__ if command.callback else "") for command in app.registered_commands}
    names |= {group.name for group in app.registered_groups if group.name}
    assert "verify" in names
    assert {"search", "unit", "export"} <= names


def test_templates_trust_no_text_as_markup() -> None:
    for path in TEMPLATES.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "|safe" not in text and "autoescape" not in text and "style=" not in text, path.name


def test_the_script_writes_text_as_text_and_asks_no_network() -> None:
    script = (TEMPLATES / "dissect.js").read_text(encoding="utf-8")
    dangerous = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "XMLHttpRequest", "http:", "https:")
    for forbidden in dangerous:
        assert forbidden not in script, forbidden
