"""The published tables of ResNet-18 and ResNet-50: their numbers obey our formulas."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from dissect.score.best import Ranked
from dissect.score.count import iou
from dissect.score.detectors import detectors

ABOVE = {
    "resnet18_places365_layer1": (64, 6), "resnet18_places365_layer4": (512, 434), "resnet18_places365_fc": (365, 364),
    "resnet50_imagenet_layer1": (256, 61), "resnet50_imagenet_layer2": (512, 62), "resnet50_imagenet_layer3": (1024, 276),
    "resnet50_imagenet_layer4": (2048, 1355), "resnet50_imagenet_fc": (1000, 983),
}  # fmt: skip
VIOLATIONS = {
    "resnet18_places365_fc": [82, 95, 126, 308],
    "resnet50_imagenet_fc": [110, 111, 116, 118, 159, 246, 263, 282, 284, 288, 305, 318, 925],
}
"""Units (1-based, as the files count) whose own numbers do not fit together: 17 rows, all of fully connected layers."""
CATEGORIES = ("color", "object", "part", "material", "scene", "texture")

pytestmark = pytest.mark.shared
Row = dict[str, str]


def rows_of(shared: Path, name: str) -> list[Row]:
    path = shared / "data" / "published_labels" / "NetDissect_results" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def counts(rows: list[Row], category: str, what: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([int(float(row[f"{category}-{what}"])) for row in rows], np.int64)


@pytest.mark.parametrize("name", sorted(ABOVE))
def test_published_scores_follow_from_the_published_counts(shared: Path, name: str) -> None:
    rows = rows_of(shared, name)
    wrong = set()
    for category in CATEGORIES:
        both, area, truth = (counts(rows, category, what) for what in ("intersect", "activation", "truth"))
        stated = np.array([float(row[f"{category}-iou"]) for row in rows])
        ours = np.concatenate(
            [iou(both[u : u + 1, None], area[u : u + 1, None], truth[u : u + 1], overlap="multiplicity")[:, 0] for u in range(len(rows))]
        )
        wrong |= {int(rows[u]["unit"]) for u in np.flatnonzero(np.abs(ours - stated) > 1e-6)}
    assert sorted(wrong) == VIOLATIONS.get(name, [])


@pytest.mark.parametrize("name", sorted(ABOVE))
def test_the_published_label_is_the_best_of_the_categories(shared: Path, name: str) -> None:
    for row in rows_of(shared, name):
        stated = {category: float(row[f"{category}-iou"]) for category in CATEGORIES}
        assert float(row["score"]) == max(stated.values())
        assert stated[row["category"]] == float(row["score"]) and row["label"] == row[f"{row['category']}-label"]


@pytest.mark.parametrize("name", sorted(ABOVE))
def test_published_detectors_are_counted_as_published(shared: Path, name: str) -> None:
    rows = rows_of(shared, name)
    numbers: dict[str, int] = {}
    ids = [[numbers.setdefault(row[f"{category}-label"], len(numbers)) for category in CATEGORIES] for row in rows]
    score = [[float(row[f"{category}-iou"]) for category in CATEGORIES] for row in rows]
    inside = _ranked(ids, score)
    best = _ranked([[numbers.setdefault(row["label"], len(numbers))] for row in rows], [[float(row["score"])] for row in rows])
    found = detectors(best, inside, np.full(len(rows), -1, np.int32))
    assert (len(rows), found.units) == ABOVE[name]
    assert found.unique == len({row["label"] for row in rows if float(row["score"]) > 0.04})


def _ranked(ids: list[list[int]], score: list[list[float]]) -> Ranked:
    concept, value = np.array(ids, np.int64), np.array(score)
    return Ranked(concept, value, concept * 0, concept * 0, concept * 0, value * 0)
