"""MODEL as users write it, and building from each source."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dissect.errors import CheckpointError, MissingExtraError, NetworkError, NotFoundError, UsageError
from dissect.network import build_torchvision
from dissect.network.load import load_network, pick_device
from dissect.network.loaded import LoadedNetwork
from dissect.network.preprocess import Preprocessing
from dissect.network.source import NetworkSpec, resolve
from dissect.network.torchvision_guard import load_torchvision
from tests.network.nets import loaded

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16, "image_size": 32, "patch_size": 8}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("torchvision:resnet18", ("torchvision", "resnet18", None, "resnet18")),
        ("torchvision:resnet50@IMAGENET1K_V2", ("torchvision", "resnet50", "IMAGENET1K_V2", "resnet50")),
        ("timm:vit_tiny_patch16_224.augreg@random", ("timm", "vit_tiny_patch16_224.augreg", "random", "vit_tiny_patch16_224.augreg")),
        ("transformers:openai/clip-vit-base-patch32", ("transformers", "openai/clip-vit-base-patch32", None, "clip-vit-base-patch32")),
        ("my.package:make", ("factory", "my.package:make", None, "package.make")),
        ("my.package:make@random", ("factory", "my.package:make", "random", "package.make")),
    ],
)
def test_direct_names(model: str, expected: tuple[str, str, str | None, str]) -> None:
    found = resolve(NetworkSpec(model))
    assert (found.kind, found.target, found.variant, found.name) == expected and found.source == model


@pytest.mark.parametrize("model", ["torchvision:", "a b:c", "a:b;c", "my.package:make@V1", "x:y:z", "a.b:Class.method", ":x"])
def test_what_is_no_name_is_refused(model: str) -> None:
    with pytest.raises(UsageError):
        resolve(NetworkSpec(model))


def test_unknown_devices_and_geometries_are_refused() -> None:
    with pytest.raises(UsageError, match="--device"):
        resolve(NetworkSpec("a:b", device="tpu"))
    with pytest.raises(UsageError, match="--geometry"):
        resolve(NetworkSpec("a:b", geometry="stretch"))  # type: ignore[arg-type]
    for name, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())):
        if not there:
            with pytest.raises(UsageError, match="no such device here"):
                pick_device(name)
    assert pick_device("auto").type in ("cpu", "cuda", "mps") and pick_device("cpu").type == "cpu"


def test_a_factory_without_weights_is_refused_unless_random_is_said() -> None:
    with pytest.raises(UsageError, match=r"--weights FILE, or write tests.network.nets:plain@random"):
        load_network(NetworkSpec("tests.network.nets:plain"))


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        ("tests.network.nets:nothing_here@random", NotFoundError, "has no nothing_here. It has: "),
        ("no_such_package.module:x@random", NotFoundError, "no module no_such_package"),
        ("tests.network.nets:loaded@random", NetworkError, "cannot be built"),
        ("tests.network.nets:CPU@random", NotFoundError, "has no CPU"),
        ("torchvision:resnet19@random", NotFoundError, "resnet"),
        ("torchvision:resnet18@IMAGENET9", NotFoundError, "IMAGENET1K_V1"),
        ("timm:vit_tinny@random", NotFoundError, "timm has no network"),
    ],
)
def test_what_is_not_there_is_named(model: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        load_network(NetworkSpec(model))


def test_random_weights_depend_on_the_seed_alone() -> None:
    hashes = {seed: loaded("plain", seed=seed).describe()["weights"] for seed in (0, 1)}
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    assert loaded("plain", seed=0).describe()["weights"] == hashes[0] != hashes[1]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_without_preprocessing_the_assumption_is_said() -> None:
    network = load_network(NetworkSpec("tests.network.nets:plain@random"))
    assert network.input_size == (224, 224) and any("are assumed" in note for note in network.notes)
    assert load_network(NetworkSpec("tests.network.nets:plain@random", input_size=(48, 32))).input_size == (48, 32)


def test_a_description_changes_with_all_that_changes_activations(tmp_path: Path) -> None:
    base = loaded("normed").describe()
    others = [
        loaded("normed", fast=False), loaded("normed", geometry="model"), loaded("normed", size=(40, 32)), loaded("branching"),
        loaded("normed", preprocessing=Preprocessing((32, 32), mean=(0.1, 0.1, 0.1))),
    ]  # fmt: skip
    assert all(dict(other.describe()) != dict(base) for other in others)
    assert len({json.dumps(dict(other.describe())) for other in others}) == len(others)
    assert dict(loaded("normed").describe()) == dict(base)


def test_the_same_weights_from_another_file_are_the_same_network(tmp_path: Path) -> None:
    state = loaded("plain").module.state_dict()
    torch.save(state, tmp_path / "a.pt")
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, tmp_path / "b.pt")
    first, second = (
        load_network(NetworkSpec("tests.network.nets:plain", weights=tmp_path / name, preprocessing=Preprocessing((32, 32))))
        for name in ("a.pt", "b.pt")
    )
    assert dict(first.describe()) == dict(second.describe()) and first.file_sha256 != second.file_sha256


def test_code_of_a_users_own_network_is_part_of_its_description(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "\n".join(
        (
            "import torch",
            "class Net(torch.nn.Module):",
            "    def __init__(self):",
            "        super().__init__()",
            "        self.conv = torch.nn.Conv2d(3, 2, 1)",
            "    def forward(self, x):",
            "        return self.conv(x) * {}",
        )
    )
    monkeypatch.chdir(tmp_path)
    hashes = []
    for factor in (1, 2):
        (tmp_path / "my_own_network.py").write_text(source.format(factor))
        sys.modules.pop("my_own_network", None)
        importlib.invalidate_caches()
        sys.dont_write_bytecode, was = True, sys.dont_write_bytecode
        try:
            spec = NetworkSpec("my_own_network:Net@random", preprocessing=Preprocessing((8, 8)))
            hashes.append(load_network(spec).describe()["architecture"])
        finally:
            sys.dont_write_bytecode = was
            sys.modules.pop("my_own_network", None)
    assert hashes[0] != hashes[1] and str(tmp_path) not in sys.path


def test_torchvision_weights_are_read_from_where_torch_hub_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    models = load_torchvision().models
    torch.manual_seed(1)
    state = models.squeezenet1_1().state_dict()
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    torch.save(state, folder / "x.pth")
    data = (folder / "x.pth").read_bytes()
    name = f"squeezenet1_1-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    (folder / name).write_bytes(data)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(build_torchvision, "fetched", lambda _url, real=build_torchvision.fetched: real(f"https://nowhere.invalid/{name}"))
    network = load_network(NetworkSpec("torchvision:squeezenet1_1", fast=False))
    assert torch.equal(network.module.state_dict()["features.0.weight"], state["features.0.weight"])
    assert len(network.classes) == 1000 and network.preprocessing.resize_to == (256,)
    (folder / name).write_bytes(data + b"x")
    with pytest.raises(CheckpointError, match="not what its name says"):
        load_network(NetworkSpec("torchvision:squeezenet1_1"))


def test_weights_that_cannot_be_fetched_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import urllib.error

    def refuse(*_arguments: object, **_options: object) -> None:
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(NetworkError, match=r"cannot be fetched .*--weights.*@random"):
        load_network(NetworkSpec("torchvision:resnet18"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_timm_networks_bring_their_configuration() -> None:
    network = load_network(NetworkSpec("timm:test_vit@random"))
    (layer,) = network.layers(["blocks.1"])
    assert layer.form == "tokens" and layer.prefix == 1 and network.preprocessing.mean == (0.5, 0.5, 0.5)
    assert load_network(NetworkSpec("timm:test_resnet@random")).describe()["folded"] != 0


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtraError, match=r"neuron-dissect\[timm\]"):
        load_network(NetworkSpec("timm:vit_tiny_patch16_224@random"))


def saved(folder: Path, name: str, config: Mapping[str, object]) -> nn.Module:
    load_torchvision()
    kind = getattr(importlib.import_module("transformers"), name)
    torch.manual_seed(0)
    network: nn.Module = kind(kind.config_class(**config)).eval()
    network.save_pretrained(folder)  # type: ignore[operator]
    return network


def test_a_saved_folder_of_transformers_is_loaded_whole(tmp_path: Path) -> None:
    source = saved(tmp_path, "ViTForImageClassification", {**SMALL, "id2label": {0: "cat", 1: "dog"}, "label2id": {"cat": 0, "dog": 1}})
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3}))
    network = load_network(NetworkSpec(f"transformers:{tmp_path}"))
    assert network.classes == ("cat", "dog") and network.preprocessing.mean == (0.5, 0.5, 0.5)
    images = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    with torch.inference_mode():
        expected = source(torch.from_numpy(images)).logits
    assert torch.allclose(network.outputs(images), expected, atol=1e-5)


def test_only_the_side_that_sees_is_built(tmp_path: Path) -> None:
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 50}
    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    source = saved(tmp_path, "CLIPModel", {"text_config": {**text, **ends}, "vision_config": SMALL, "projection_dim": 8})
    network = load_network(NetworkSpec(f"transformers:{tmp_path}"))
    assert type(network.module).__name__ == "CLIPVisionModel" and network.input_size == (32, 32)
    own, theirs = network.module.state_dict(), source.state_dict()
    name = next(name for name in own if name.endswith("layers.0.mlp.fc1.weight"))
    assert torch.equal(own[name], next(theirs[key] for key in theirs if key.endswith(name) and "vision" in key))


def test_a_folder_of_pickled_weights_is_read_safely(tmp_path: Path) -> None:
    source = saved(tmp_path, "ViTModel", SMALL)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no model.safetensors"):
        load_network(NetworkSpec(f"transformers:{tmp_path}"))
    torch.save(source.state_dict(), tmp_path / "pytorch_model.bin")
    network = load_network(NetworkSpec(f"transformers:{tmp_path}"))
    name = "embeddings.patch_embeddings.projection.weight"
    assert torch.equal(network.module.state_dict()[name], source.state_dict()[name])


def test_a_folder_that_lacks_weights_or_sense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no config.json"):
        load_network(NetworkSpec(f"transformers:{tmp_path}"))
    saved(tmp_path, "ViTModel", SMALL)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(CheckpointError, match="does not fit"):
        load_network(NetworkSpec(f"transformers:{tmp_path}"))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "nonsense", "auto_map": {"AutoConfig": "evil.Evil"}}))
    with pytest.raises(NetworkError, match="no configuration"):
        load_network(NetworkSpec(f"transformers:{tmp_path}"))


def protocol(network: LoadedNetwork) -> None:
    """The implementation fits the protocol that the probe is written against."""
    from dissect.network.model import Network

    checked: Network = network
    assert checked.name
