"""Saved models of transformers describe a run: what is stored, under which name, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dissect.errors import NotFoundError, UsageError
from dissect.exchange.described import lines_of_description, report_description
from dissect.exchange.view import ReportLabel
from dissect.pipeline.caption_request import CaptionRequest
from dissect.pipeline.report import write_run_report
from tests.caption.saved_models import save_blip, save_gpt2
from tests.pipeline.desk import Desk, opened


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A captioner, a language model and a list of phrases."""
    folder = tmp_path_factory.mktemp("saved")
    save_blip(folder / "blip")
    save_gpt2(folder / "gpt2")
    (folder / "phrases.txt").write_text("red car\ntree\nthe sky\n")
    return folder


@pytest.fixture
def desk(work: Path, tmp_path: Path) -> Iterator[Desk]:
    """A desk of one's own, whose run is not described."""
    yield from opened(work, Path(shutil.copytree(work / "composed", tmp_path / "home")))


@pytest.mark.parametrize(
    ("prior", "measure", "name", "strategy"),
    [("none", "log_p_given", "log p(d|E)", "beam"), ("marginal", "pmi", "PMI", "rerank"), ("lm", "lm_penalised", "LM-penalised", "rerank")],
)
def test_scores_are_stored_under_their_own_name(desk: Desk, models: Path, prior: str, measure: str, name: str, strategy: str) -> None:
    """The difference to a foreign language model is never called PMI."""
    chosen = f"lm:{models / 'gpt2'}" if prior == "lm" else prior
    outcome = desk.caption(
        captioner=f"transformers:{models / 'blip'}", prior=chosen, candidates=str(models / "phrases.txt"), exemplars=2, view="cropped"
    )
    labels = desk.labels("first", 1, "milan")
    assert {label.text for label in labels} == {"red car", "tree", "the sky"} and {label.score_kind for label in labels} == {measure}
    scores = [label.score for label in labels]
    assert all(isinstance(score, float) for score in scores) and scores == sorted(scores, key=lambda score: -(score or 0.0))
    assert all((label.details["log_p"] is None) == (prior == "none") and label.details["decoding"] == strategy for label in labels)
    shown = {label.id: ReportLabel(label.text, "description", measure=measure, score=label.score) for label in labels}
    found = report_description(labels, shown)
    assert found is not None
    lines = {line[1]: line[2] for line in lines_of_description(found)}
    assert name in lines and ("PMI" in lines) == (prior == "marginal")
    assert any(name in line for line in outcome.lines()) and any(f"transformers:{models / 'blip'}" in line for line in outcome.lines())
    page = write_run_report(desk.store, desk.config, 1, desk.home / "report")
    assert page.is_dir() or page.is_file()


def test_names_of_the_data_set_are_candidates(desk: Desk, models: Path) -> None:
    desk.caption(captioner=f"transformers:{models / 'blip'}", candidates="vocabulary", exemplars=1, kept=50)
    names = {concept.name.lower() for concept in desk.store.concepts(vocabulary=desk.store.run("latest").vocabulary)}
    assert {label.text for label in desk.labels("first", 1, "milan")} <= names and names


def test_what_changes_a_description_describes_again_and_nothing_else_does(desk: Desk, models: Path) -> None:
    settings: dict[str, Any] = {"captioner": f"transformers:{models / 'blip'}", "candidates": str(models / "phrases.txt"), "exemplars": 1}
    assert desk.caption(**settings).repeated == ()
    moved = Path(shutil.copytree(models / "blip", desk.home / "elsewhere"))
    assert desk.caption(**{**settings, "captioner": f"transformers:{moved}"}).repeated != ()
    assert desk.caption(**settings, view="outlined").repeated == ()
    assert desk.caption(**settings, view="outlined", prompt="a picture of").repeated == ()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"captioner": "demo", "view": "cropped"}, "--view belongs to --captioner transformers:FOLDER"),
        ({"captioner": "demo", "candidates": "vocabulary"}, "--candidates belongs to"),
        ({"captioner": "demo", "prior": "none"}, r"--prior is 'none'\. With captioner demo it is lm"),
        ({"captioner": "transformers:x", "prior": "lm"}, r"no language model of its own\. Write --prior lm:FOLDER, or --prior marginal"),
        ({"captioner": "transformers:x", "prior": "gpt2"}, "--prior is 'gpt2'"),
    ],
)
def test_options_of_the_other_kind_are_refused(desk: Desk, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        desk.caption(**settings)


def test_a_folder_that_is_no_model_is_one_line(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"holds no config\.json"):
        desk.caption(captioner=f"transformers:{tmp_path}")


def test_the_strategy_follows_from_what_gives_log_p() -> None:
    decided = {
        (captioner, prior): CaptionRequest(captioner=captioner, prior=prior).decided
        for captioner in ("demo", "transformers:x") for prior in (None, "marginal")
    }  # fmt: skip
    assert decided == {
        ("demo", None): "rerank", ("demo", "marginal"): "rerank",
        ("transformers:x", None): "beam", ("transformers:x", "marginal"): "rerank",
    }  # fmt: skip
    assert CaptionRequest(captioner="transformers:x").as_plain()["prior"] == "none"
