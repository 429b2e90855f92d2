"""torchvision beside any torch: the guarded and the whole state give the same activations (each in a process of its own)."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from dissect.errors import NetworkError
from dissect.network import torchvision_guard

PROGRAM = """
import hashlib, json, sys
import numpy as np, torch
if {whole}:
    # a whole build has the operators with code behind them, before torchvision's own Python is imported
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.impl(name, lambda dets, scores, iou_threshold: scores.argsort(descending=True), "CPU")
from dissect.network import NetworkSpec, load_network
from dissect.network.torchvision_guard import guarded
hashes = []
for model in ("torchvision:squeezenet1_1@random", "torchvision:resnet18@random"):
    network = load_network(NetworkSpec(model, input_size=(64, 64)))
    images = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    maps = network.activations(images, network.layers())
    hashes += [hashlib.sha256(maps[name].numpy().tobytes()).hexdigest() for name in sorted(maps)]
from transformers import CLIPVisionModel, ViTForImageClassification, ViTImageProcessor
print(json.dumps({{"guarded": guarded(), "hashes": hashes}}))
"""


def run(whole: bool) -> dict[str, object]:
    result = subprocess.run([sys.executable, "-c", PROGRAM.format(whole=whole)], capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    found: dict[str, object] = json.loads(result.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_both_states_of_torchvision_give_the_same_activations() -> None:
    here, whole = run(False), run(True)
    assert whole["guarded"] is False
    assert here["hashes"] == whole["hashes"] and len(set(map(str, here["hashes"]))) > 50  # type: ignore[call-overload]


def test_the_modules_are_usable_and_loaded_once() -> None:
    first = torchvision_guard.load_torchvision()
    assert first is torchvision_guard.load_torchvision() and first.models.resnet18 and first.transforms.Compose


def test_another_failure_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("operator torchvision::roi_align is broken in its own way")

    monkeypatch.setattr(torchvision_guard, "_import", fail)
    with pytest.raises(NetworkError, match=r"roi_align is broken.*pip install"):
        torchvision_guard.load_torchvision.__wrapped__()


def test_exactly_the_known_error_is_mended_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def fail() -> None:
        calls.append("import")
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(torchvision_guard, "_import", fail)
    monkeypatch.setattr(torchvision_guard, "_forget_halves", lambda: calls.append("forget"))
    monkeypatch.setattr(torchvision_guard, "define_operators", lambda: calls.append("define"))
    with pytest.raises(NetworkError, match="nms does not exist"):
        torchvision_guard.load_torchvision.__wrapped__()
    assert calls == ["import", "forget", "define", "import"]
