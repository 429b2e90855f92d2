"""After the warm-up a user's first null compiles nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dissect.probe.profile import PROFILES
from dissect.verify import null_kernels
from dissect.verify.formula_null import formula_null
from dissect.verify.null import independence_null, null_data, unit_counts
from dissect.verify.warm import tiny, warm
from tests.probe.fakes import FakeNetwork, FakeSet
from tests.probe.helpers import run

KERNELS = ("gather", "count_label_spans", "write_label_spans", "columns_of_unit", "signatures_of_unit")


def test_a_null_meets_no_types_that_the_warm_up_has_not_met(tmp_path: Path) -> None:
    warm()
    data = FakeSet(tmp_path / "pictures", 12)
    result = run(tmp_path, FakeNetwork(), data, layers=("first",), shard_images=100)
    before = {name: set(getattr(null_kernels, name).signatures) for name in KERNELS}
    shared = null_data(result, data.records, data.vocabulary, PROFILES["standard"], permutations=5)
    independence_null(result, result.layers[0], shared)
    formula_null(result, result.layers[0], shared, permutations=2)
    assert {name: set(getattr(null_kernels, name).signatures) for name in KERNELS} == before


def test_the_tiny_null_counts_its_three_pixels() -> None:
    masks, data = tiny()
    both, area = unit_counts(masks, data, 0, np.ones(1, np.int64), np.zeros(1, np.int64))
    assert both.ravel().tolist() == [1, 1, 1] and area.ravel().tolist() == [3, 3, 3]
