"""Held-out labels and intervals of Tiny Darknet on CamVid, whose frames are grouped by drive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dissect.config import Config
from dissect.pipeline.open import open_data, open_network, probe_settings
from dissect.pipeline.request import RunRequest
from dissect.probe.cache import Cache
from dissect.probe.ledger import MemoryLedger
from dissect.probe.progress import Quiet
from dissect.probe.runner import probe
from dissect.score.best import best_concept
from dissect.score.count import scores
from dissect.verify.by_image import concepts_by_image
from dissect.verify.crossfit import concept_held_out
from dissect.verify.fold_counts import held_categories
from dissect.verify.folds import group_numbers, split_folds
from dissect.verify.intervals import bootstrap
from tests.verify.halves import counts_of, rules_of

CARDS = Path(__file__).resolve().parents[1] / "cards"

pytestmark = [pytest.mark.shared, pytest.mark.slow]


def test_detectors_of_camvid_hold_out_by_drive(shared: Path, tmp_path: Path) -> None:
    config = Config(home=tmp_path, database_url="sqlite://", data_root=shared / "data")
    weights = str(shared / "models" / "tiny_darknet_imagenet.safetensors")
    request = RunRequest(model=str(CARDS / "tiny-darknet.toml"), weights=weights, data="camvid", split="train", layers=("act14",))
    _, data = open_data(request, config)
    network = open_network(request, config)
    settings = probe_settings(request, config, network.layers(("act14",)), 1)
    result = probe(network, data, settings, Cache(config.cache), MemoryLedger(), Quiet())
    rules = rules_of(result, "act14", data, network.input_size, "standard", settings.quantile)
    tables, states = result.layers[0].tables, result.layers[0].stats.state
    assert tables is not None and result.labels is not None
    records = [data.records[index] for index in result.image_index.tolist()]
    keys, groups = [record.key for record in records], [record.group for record in records]
    held = held_categories(result.labels, data.vocabulary, result.image_index)
    folds = split_folds(keys, groups, held=held)
    best = best_concept(scores(tables, data.vocabulary, rules.profile), states, rules.profile)
    label, score = best.concept[:, 0], best.score[:, 0]
    found = concept_held_out(counts_of(result, "act14", rules, folds), rules, label).scores

    drives = {drive: set(folds.fold[[k for k, name in enumerate(groups) if name == drive]].tolist()) for drive in set(groups)}
    assert len(drives) >= 3 and all(len(sides) == 1 for sides in drives.values())
    tested, detector = found.testable, score > 0.04
    kept = detector & (found.held_out > 0.04)
    agree, medians = found.folds_agree, [np.median(each[tested]) for each in (score, found.held_out, found.choice_optimism)]
    print(f"\n{len(drives)} drives, folds of {folds.images}: {int(detector.sum())} detectors, {int(kept.sum())} of them held out")
    print(f"both folds choose one label: {int(agree.sum())} of {int(tested.sum())} units, {int(agree[detector].sum())} of the detectors")
    print("median score {:.4f}, held out {:.4f}, choice optimism {:.4f}".format(*medians))
    assert tested.mean() > 0.9
    # Drives differ, so scores fall, but most of the detectors are detectors on drives that they were not chosen on.
    assert np.median(found.choice_optimism[tested]) >= 0
    assert (found.held_out[detector & tested] > 0.04).mean() > 0.5
    by_image = concepts_by_image(result.tallies["act14"], result.labels, data.vocabulary, rules.profile, label, result.image_index)
    np.testing.assert_allclose(by_image.intersection.sum(axis=0), best.intersection[:, 0])
    drawn = bootstrap(by_image, group_numbers(keys, groups))
    assert all("groups, and" in reason for reason in drawn.reason)
    alone = bootstrap(by_image)
    known = ~np.isnan(alone.low)
    assert known[detector].mean() > 0.8 and (alone.low[known] <= score[known]).all() and (score[known] <= alone.high[known]).all()
