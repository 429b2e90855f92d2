"""Saved models that cannot be used: one line each, with the file and what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from dissect.caption.vl_files import hushed, open_captioner, open_language_model
from dissect.caption.vl_models import picture_model
from dissect.errors import CheckpointError, DissectError, NetworkError, NotFoundError
from tests.caption.saved_models import PHRASES, TEXT, VISION, byte_tokenizer, pictures, save, save_blip, save_gpt2


@pytest.fixture
def blip(saved_models: dict[str, Path], tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    return Path(shutil.copytree(saved_models["blip"], tmp_path / "blip"))


def edit(file: Path, **values: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")


def no_processor(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()


def broken_processor(folder: Path) -> None:
    (folder / "preprocessor_config.json").write_text('{"image_processor_type": "NoSuchProcessor"}')


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def broken_weights(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def lost_weights(folder: Path) -> None:
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "crossattention" not in name}
    safetensors.torch.save_file(kept, folder / "model.safetensors", {"format": "pt"})


def odd_weights(folder: Path) -> None:
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    name = next(name for name in tensors if "query.weight" in name)
    tensors[name][0, 0] = float("nan")
    safetensors.torch.save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def own_code(folder: Path) -> None:
    edit(folder / "config.json", model_type="my_captioner", auto_map={"AutoConfig": "configuration_my.MyConfig"})
    (folder / "configuration_my.py").write_text("raise SystemExit('this must never run')")


def own_tokenizer_code(folder: Path) -> None:
    edit(folder / "tokenizer_config.json", tokenizer_class="Mine", auto_map={"AutoTokenizer": ["my.Mine", None]})
    (folder / "my.py").write_text("raise SystemExit('this must never run')")


def own_processor_code(folder: Path) -> None:
    edit(folder / "preprocessor_config.json", image_processor_type="MyImages", auto_map={"AutoImageProcessor": "my.MyImages"})
    (folder / "my.py").write_text("raise SystemExit('this must never run')")


@pytest.mark.parametrize(
    ("spoil", "kind", "message"),
    [
        (no_config, NotFoundError, r"holds no config\.json"),
        (broken_config, NetworkError, r"config\.json cannot be read as JSON .*Save or fetch"),
        (no_tokenizer, NotFoundError, r"holds no tokenizer \(tokenizer\.json.*tokenizer\.save_pretrained"),
        (broken_tokenizer, NetworkError, r"the tokenizer in .*blip cannot be read .*Save it again"),
        (no_processor, NotFoundError, r"holds no image processor \(preprocessor_config\.json.*processor\.save_pretrained"),
        (broken_processor, NetworkError, r"the image processor in .*blip cannot be read .*Save it again"),
        (no_weights, NotFoundError, r"holds no model\.safetensors"),
        (broken_weights, CheckpointError, r"the weights in .*blip cannot be loaded"),
        (lost_weights, CheckpointError, r"blip does not fit the network: .*missing .*A whole BlipForConditionalGeneration is needed"),
        (odd_weights, CheckpointError, r"blip: tensor text_decoder.*holds NaN"),
        (own_code, NetworkError, r"brings code of its own \(my_captioner.*not run"),
        (own_tokenizer_code, NetworkError, r"brings code of its own \(Mine.*not run"),
        (own_processor_code, NetworkError, r"brings code of its own \(MyImages.*not run"),
    ],
)
def test_a_spoilt_folder_gives_one_line(blip: Path, spoil: Callable[[Path], None], kind: type[DissectError], message: str) -> None:
    spoil(blip)
    with pytest.raises(kind, match=message) as caught:
        open_captioner(str(blip), "cpu")
    assert "\n" not in str(caught.value) and "--partial" not in str(caught.value) and str(blip) in str(caught.value)


def test_a_model_that_only_sees_and_one_that_only_writes(tmp_path: Path, saved_models: dict[str, Path]) -> None:
    with hushed() as transformers:
        save(tmp_path / "vit", transformers.ViTForImageClassification(transformers.ViTConfig(**VISION)))
    with pytest.raises(NetworkError, match=r"is a vit: it writes no descriptions of pictures\. Name an image-captioning"):
        open_captioner(str(tmp_path / "vit"), "cpu")
    with pytest.raises(NetworkError, match=r"is a gpt2: it writes, but sees no pictures\. Name it as --prior lm:"):
        open_captioner(str(saved_models["gpt2"]), "cpu")
    with pytest.raises(NetworkError, match="is a vit: it is no language model"):
        open_language_model(str(tmp_path / "vit"), "cpu")


def test_code_beside_a_model_that_transformers_knows_is_not_run(blip: Path) -> None:
    edit(blip / "config.json", auto_map={"AutoConfig": "my.Mine", "AutoModelForImageTextToText": "my.Mine"})
    edit(blip / "preprocessor_config.json", auto_map={"AutoImageProcessor": "my.Mine"})
    (blip / "my.py").write_text("raise SystemExit('this must never run')")
    assert type(open_captioner(str(blip), "cpu").module).__module__.startswith("transformers.")


def test_a_name_that_the_hub_does_not_give_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def offline(name: str, **options: object) -> str:
        raise OSError("We couldn't connect\n to the hub")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(NotFoundError, match=r"nobody/none is no folder here, and the hub does not give it \(OSError: We couldn't"):
        open_captioner("nobody/none", "cpu")


def test_of_the_hub_no_pickle_and_no_code_is_fetched(monkeypatch: pytest.MonkeyPatch, saved_models: dict[str, Path]) -> None:
    import fnmatch

    import huggingface_hub

    asked: list[str] = []

    def fetch(name: str, allow_patterns: list[str]) -> str:
        asked.extend(allow_patterns)
        return str(saved_models["blip"])

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert open_captioner("somebody/blip", "cpu").kind == "blip"
    for name in ("config.json", "model-00001-of-00002.safetensors", "tokenizer.json", "chat_template.jinja", "generation_config.json"):
        assert any(fnmatch.fnmatch(name, pattern) for pattern in asked), name
    for name in ("pytorch_model.bin", "modeling_my.py", "tf_model.h5"):
        assert not any(fnmatch.fnmatch(name, pattern) for pattern in asked), name


def test_a_pickle_of_tensors_is_read_and_one_of_code_is_refused(saved_models: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(saved_models["gpt2"], tmp_path / "gpt2"))
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    assert open_language_model(str(folder), "cpu").weights == open_language_model(str(saved_models["gpt2"]), "cpu").weights
    torch.save({"weights": tensors, "code": print}, folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin cannot be read safely"):
        open_language_model(str(folder), "cpu")


def test_a_tokenizer_of_another_model_is_noticed(blip: Path) -> None:
    with hushed() as transformers:
        byte_tokenizer(transformers, eos_token="<|endoftext|>").save_pretrained(blip)
    model = picture_model(open_captioner(str(blip), "cpu"))
    with pytest.raises(CheckpointError, match=r"the tokenizer of .*blip gives token \d+, but its network knows 17"):
        model.log_p(model.look(pictures(1))[0], PHRASES)


def test_hashes_follow_weights_and_files(tmp_path: Path, saved_models: dict[str, Path]) -> None:
    first, other = (open_captioner(str(save_blip(tmp_path / str(seed), seed)), "cpu") for seed in (0, 1))
    assert first.files == other.files and first.weights != other.weights
    edit(tmp_path / "0" / "preprocessor_config.json", image_mean=[0.1, 0.1, 0.1])
    again = open_captioner(str(tmp_path / "0"), "cpu")
    assert again.files != first.files and again.weights == first.weights


def test_a_model_whose_text_has_an_encoder_of_its_own_is_refused_by_name(tmp_path: Path, saved_models: dict[str, Path]) -> None:
    import dataclasses

    saved = open_captioner(str(saved_models["llava"]), "cpu")
    saved.config.is_encoder_decoder = True
    with pytest.raises(NetworkError, match="whose text goes through an encoder of its own"):
        picture_model(dataclasses.replace(saved, kind="florence2"))


def test_a_model_without_an_end_is_refused(tmp_path: Path) -> None:
    with hushed() as transformers:
        module = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=300, n_embd=8, n_layer=1, n_head=2, n_positions=16))
        module.config.eos_token_id = module.generation_config.eos_token_id = None
        save(tmp_path, module, byte_tokenizer(transformers))
    from dissect.caption.vl_prior import CausalPrior

    with pytest.raises(CheckpointError, match="names no token that ends a text"):
        CausalPrior(open_language_model(str(tmp_path), "cpu"))


def test_the_librarys_settings_are_put_back() -> None:
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    with hushed():
        assert logging.get_verbosity() == logging.ERROR
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_language_models_of_one_seed_are_one(tmp_path: Path) -> None:
    a, b = save_gpt2(tmp_path / "a"), save_gpt2(tmp_path / "b")
    assert open_language_model(str(a), "cpu").weights == open_language_model(str(b), "cpu").weights
    assert TEXT["hidden_size"] == open_language_model(str(a), "cpu").config.n_embd
