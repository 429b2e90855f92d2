"""Tiny Darknet on photographs, described by a small captioner of the embedded recipe: it knows nothing of them, and does not fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dissect.caption.decoder import DecoderSizes
from dissect.caption.features import RECIPES, Keys
from dissect.caption.files import SavedCaptioner, save_captioner
from dissect.caption.language import LanguageSizes
from dissect.caption.tokens import Vocabulary
from dissect.caption.training import LANGUAGE, Training, train_captioner, train_language_model
from dissect.pipeline.caption import caption_run
from dissect.pipeline.caption_request import CaptionRequest
from dissect.pipeline.report import write_run_report
from dissect.probe.progress import Quiet
from dissect.store import UnitFilter
from tests.caption.saved_models import save_blip, save_gpt2
from tests.pipeline.real import UNITS, Desk, opened

pytestmark = [pytest.mark.shared, pytest.mark.slow]
TEXTS = ("wheels of a car", "car windows", "the sky", "a person's head", "tree trunks", "red signs")


@pytest.fixture(scope="module")
def desk(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return opened(shared, tmp_path_factory.mktemp("real-captions"))


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A captioner that learnt six texts for six kinds of noise, of the sizes and features of the embedded one."""
    torch.set_num_threads(1)
    values = np.random.default_rng(0).random((24, 15, 640)).astype(np.float32)
    texts = [[TEXTS[unit % 6]] for unit in range(24)]
    words = Vocabulary.from_texts(TEXTS)
    every = (np.arange(24), np.arange(24))
    decoder, _ = train_captioner(
        Keys(values, np.ones((24, 15), bool)), texts, words, DecoderSizes(640, 32, 64), Training(epochs=20, patience=20, rate=0.01),
        split=every, bleu_units=0,
    )  # fmt: skip
    language, _ = train_language_model(texts, words, LanguageSizes(16, 32), Training(LANGUAGE.batch, epochs=20, rate=0.01), split=every)
    path = tmp_path_factory.mktemp("captioner") / "small.json"
    save_captioner(path, SavedCaptioner(decoder, language, RECIPES["demo"], 6, 0.2, {"world": "six kinds of noise"}))
    return path


@pytest.mark.parametrize(("data", "more"), [("coco-instances", {}), ("camvid", {"split": "val", "limit": 30})], ids=["coco", "camvid"])
def test_units_of_a_trained_network_are_described_on_photographs(
    desk: Desk, card: Path, tmp_path: Path, data: str, more: dict[str, object]
) -> None:
    record = desk.run(data, **more).run
    (layer,) = caption_run(desk.store, desk.config, record.id, CaptionRequest(captioner=str(card)), Quiet()).layers
    facts = layer.summary
    assert facts["units"] == UNITS and isinstance(facts["described"], int) and facts["described"] > 0.9 * UNITS
    assert isinstance(facts["detection"], dict) and 0.4 < float(str(facts["detection"]["auc"])) < 0.6  # it knows nothing of photographs
    views = desk.store.units(UnitFilter(run=record.id, method="milan"), limit=UNITS, exemplars=0)
    assert len(views) == facts["described"] and all(view.label is not None and view.label.text for view in views)
    page = write_run_report(desk.store, desk.config, record.id, tmp_path / "report")
    assert "only knows six kinds of noise" in next(page.parent.glob("*/index.html")).read_text(encoding="utf-8")


@pytest.mark.parametrize(("data", "more"), [("coco-instances", {}), ("camvid", {"split": "val", "limit": 30})], ids=["coco", "camvid"])
def test_the_captioner_that_comes_along_describes_photographs_and_says_what_it_knows(
    desk: Desk, tmp_path: Path, data: str, more: dict[str, object]
) -> None:
    record = desk.run(data, **more).run
    outcome = caption_run(desk.store, desk.config, record.id, CaptionRequest(), Quiet())
    (layer,) = outcome.layers
    described = layer.summary["described"]
    assert isinstance(described, int) and described > 0.9 * UNITS and any("only knows drawn pictures" in line for line in outcome.lines())
    page = write_run_report(desk.store, desk.config, record.id, tmp_path / "report")
    assert "only knows drawn pictures of the embedded set" in next(page.parent.glob("*/index.html")).read_text(encoding="utf-8")


def test_saved_models_of_other_makers_describe_photographs(desk: Desk, tmp_path: Path) -> None:
    save_blip(tmp_path / "blip")
    save_gpt2(tmp_path / "gpt2")
    (tmp_path / "phrases.txt").write_text("red car\ntree\nthe sky\n")
    record = desk.run("coco-instances", limit=40).run
    request = CaptionRequest(
        captioner=f"transformers:{tmp_path / 'blip'}", prior=f"lm:{tmp_path / 'gpt2'}", candidates=str(tmp_path / "phrases.txt"),
        exemplars=2, view="cropped",
    )  # fmt: skip
    (layer,) = caption_run(desk.store, desk.config, record.id, request, Quiet()).layers
    views = desk.store.units(UnitFilter(run=record.id, method="milan"), limit=UNITS, exemplars=0)
    assert len(views) == layer.summary["described"] > 0.8 * UNITS  # type: ignore[operator]
    assert {view.label.score_kind for view in views if view.label is not None} == {"lm_penalised"}
