"""Opening saved transformers models that see and write, or only write, without running anything that is in their files.

A folder (of `save_pretrained`) or a hub name gives a network, its tokeniser and its image processor. Networks of known classes only:
code that comes with the files is refused. Weights are safe tensors, or pickles of plain tensors read as such.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dissect.atomic import sha256_file
from dissect.errors import CheckpointError, DissectError, NetworkError, NotFoundError, UsageError
from dissect.network.build_transformers import PATTERNS, pretrained, quiet, saved_folder
from dissect.network.fit import refuse_unfinite
from dissect.network.load import hash_weights, pick_device
from dissect.network.source import NetworkSpec, ResolvedNetwork, resolve
from dissect.network.torchvision_guard import load_torchvision

TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model", "tekken.json")
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
TEXT_FILES = (
    *TOKENIZERS, *PROCESSORS, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt", "chat_template.json",
    "chat_template.jinja", "generation_config.json",
)  # fmt: skip
"""Files beside the weights that change what a model reads and writes."""
PREFIX = "transformers:"


@dataclass(frozen=True)
class Saved:
    """A saved model, in evaluation mode, float32. name: as the user wrote it. folder: where its files are. module, config: of
    transformers. kind: its type's name, such as `blip`. tokenizer: of transformers. processor: what prepares pictures, None for a
    language model. weights, files: SHA-256 of the tensors, and of the files that say how text and pictures go in."""

    name: str
    folder: Path
    module: Any
    config: Any
    kind: str
    tokenizer: Any
    processor: Any
    device: torch.device
    weights: str
    files: str


def open_captioner(name: str, device: str = "auto", trust: bool = False) -> Saved:
    """A model that sees and writes. name: a folder or a hub name. trust: let a pickle of weights run code if the safe way refuses it.

    Raises:
        NotFoundError: there is no such folder, a file of it is missing, or the hub cannot be reached.
        NetworkError: it does not both see and write, or a file is damaged. CheckpointError: its weights cannot be read safely.
    """
    return _open(name, device, trust, "AutoModelForImageTextToText", _refuse_captioner)


def open_language_model(name: str, device: str = "auto", trust: bool = False) -> Saved:
    """A model that writes from left to right. The arguments and errors of `open_captioner`."""
    return _open(name, device, trust, "AutoModelForCausalLM", _refuse_language_model)


def joint_processor(kind: str) -> bool:
    """Whether a model's pictures and text are prepared together, by a processor of its own; else each by itself."""
    return kind not in ("blip", "git", "vision-encoder-decoder")


@contextlib.contextmanager
def hushed() -> Iterator[Any]:
    """The library of transformers, silent, with torchvision mended before it looks for it."""
    load_torchvision()
    transformers = importlib.import_module("transformers")
    with quiet(transformers), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns about its own affairs
        yield transformers


def _open(name: str, device: str, trust: bool, auto: str, refuse: Callable[[Any, Any, str], NetworkError]) -> Saved:
    resolved = resolve(NetworkSpec(PREFIX + name, trust=trust, device=device))
    if resolved.variant is not None:
        raise UsageError(f"{name}: a model that writes descriptions has its own weights. Leave @{resolved.variant} out.")
    place = pick_device(device)
    with hushed() as transformers:
        folder = saved_folder(resolved.target, (*PATTERNS, *TEXT_FILES))
        config = _config(transformers, folder)
        mapping = getattr(transformers, auto)._model_mapping
        if type(config) not in mapping:
            raise refuse(transformers, config, name)
        _refuse_without_weights(folder)
        module = _module(_kind(mapping[type(config)], config), folder, resolved)
        refuse_unfinite(dict(module.state_dict()), str(folder))
        module = module.eval().requires_grad_(False).to(torch.float32)
        tokenizer = _tokenizer(transformers, folder)
        processor = _processor(transformers, folder, config.model_type) if auto != "AutoModelForCausalLM" else None
    weights, files = hash_weights(module), _hash_files(folder)
    try:
        module = module.to(place)
    except Exception as error:  # out of memory
        raise NetworkError(f"{name} cannot be moved to {place} ({_line(error)}). Use --device cpu.") from error
    return Saved(name, folder, module, config, str(config.model_type), tokenizer, processor, place, weights, files)


def _module(kind: Any, folder: Path, resolved: ResolvedNetwork) -> Any:
    try:
        return pretrained(kind, folder, resolved)
    except CheckpointError as error:
        what = str(error).partition(". Check the factory")[0]  # no factory and no --partial here
        raise CheckpointError(f"{what.rstrip('.')}. A whole {kind.__name__} is needed.") from error


def _config(transformers: Any, folder: Path) -> Any:
    path = folder / "config.json"
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise NetworkError(f"{path} cannot be read as JSON ({_line(error)}). Save or fetch the model again.") from error
    try:
        return transformers.AutoConfig.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    except Exception as error:  # anything may be in there
        if isinstance(plain, dict) and plain.get("auto_map"):
            raise _own_code(folder, plain.get("model_type")) from error
        raise NetworkError(f"{path} is no configuration that this transformers knows ({_line(error)}). Update transformers.") from error


def _kind(entry: Any, config: Any) -> Any:
    """One class of a mapping's entry: the one the configuration was saved from where there are several."""
    if not isinstance(entry, list | tuple):
        return entry
    names = getattr(config, "architectures", None) or []
    return next((kind for kind in entry if kind.__name__ in names), entry[0])


def _refuse_captioner(transformers: Any, config: Any, name: str) -> NetworkError:
    if type(config) in transformers.AutoModelForCausalLM._model_mapping:
        return NetworkError(
            f"{name} is a {config.model_type}: it writes, but sees no pictures. Name it as --prior lm:{name}, "
            "and an image-captioning or image-text-to-text model as the captioner."
        )
    return NetworkError(
        f"{name} is a {config.model_type}: it writes no descriptions of pictures. Name an image-captioning or image-text-to-text model "
        "(BLIP, GIT, a vision-encoder-decoder, LLaVA, SmolVLM ...)."
    )


def _refuse_language_model(transformers: Any, config: Any, name: str) -> NetworkError:
    return NetworkError(
        f"{name} is a {config.model_type}: it is no language model that writes from left to right. Name one such as GPT-2 in --prior lm:."
    )


def _own_code(folder: Path, what: object) -> NetworkError:
    return NetworkError(
        f"{folder} brings code of its own ({what or 'auto_map'}: it asks for trust_remote_code), which is not run. "
        "Name a model whose class is part of transformers."
    )


def _refuse_own_code(transformers: Any, folder: Path, file: str, key: str) -> None:
    """The library would take a plain tokeniser in the place of one it does not know, and the texts would be cut otherwise."""
    try:
        plain = json.loads((folder / file).read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError):
        return  # absent, or reading it will fail in words
    named = plain.get(key) if isinstance(plain, dict) and plain.get("auto_map") else None
    if named is not None and not hasattr(transformers, str(named)):
        raise _own_code(folder, named)


def _refuse_without_weights(folder: Path) -> None:
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("pytorch_model*.bin")):
        raise NotFoundError(f"{folder} holds no model.safetensors. Name the whole folder of save_pretrained.")


def _tokenizer(transformers: Any, folder: Path) -> Any:
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise NotFoundError(f"{folder} holds no tokenizer ({', '.join(TOKENIZERS[:4])} ...). Save it there with tokenizer.save_pretrained.")
    _refuse_own_code(transformers, folder, "tokenizer_config.json", "tokenizer_class")
    load = transformers.AutoTokenizer.from_pretrained
    return _loaded(load, folder, f"the tokenizer in {folder}", "tokenizer.save_pretrained")


def _processor(transformers: Any, folder: Path, kind: str) -> Any:
    if not any((folder / name).is_file() for name in PROCESSORS):
        raise NotFoundError(
            f"{folder} holds no image processor ({' or '.join(PROCESSORS)}), so nothing says how it sees pictures. "
            "Save it there with processor.save_pretrained."
        )
    _refuse_own_code(transformers, folder, PROCESSORS[0], "image_processor_type")
    _refuse_own_code(transformers, folder, PROCESSORS[1], "processor_class")
    auto = transformers.AutoProcessor if joint_processor(kind) else transformers.AutoImageProcessor
    processor = _loaded(auto.from_pretrained, folder, f"the image processor in {folder}", "processor.save_pretrained")
    if joint_processor(kind) and not hasattr(processor, "image_processor"):
        raise NotFoundError(f"{folder} holds no processor that takes pictures and text. Save it there with processor.save_pretrained.")
    return processor


def _loaded(load: Callable[..., Any], folder: Path, what: str, remedy: str) -> Any:
    try:
        return load(str(folder), local_files_only=True, trust_remote_code=False)
    except DissectError:
        raise
    except Exception as error:  # anything may be in there
        if "trust_remote_code" in str(error):
            raise _own_code(folder, None) from error
        if isinstance(error, ImportError):  # the library says which package, and how to install it
            raise NetworkError(f"{what} needs a package that is not there: {' '.join(str(error).split())[:200]}") from error
        raise NetworkError(f"{what} cannot be read ({_line(error)}). Save it again with {remedy}.") from error


def _hash_files(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in sorted(TEXT_FILES):
        if (folder / name).is_file():
            digest.update(f"{name} {sha256_file(folder / name)}\n".encode())
    return digest.hexdigest()


def end_tokens(saved: Saved) -> tuple[int, ...]:
    """The tokens of which any ends a text, from the generation settings, else the configuration, else the tokeniser.

    Raises:
        CheckpointError: none of them names one.
    """
    text = saved.config.get_text_config(decoder=True)
    sources = (getattr(saved.module, "generation_config", None), saved.config, text, saved.tokenizer)
    for source in sources:
        value = getattr(source, "eos_token_id", None)
        if value is not None:
            return tuple(int(number) for number in (value if isinstance(value, list | tuple) else [value]))
    if (last := getattr(saved.tokenizer, "sep_token_id", None)) is not None:
        return (int(last),)
    raise CheckpointError(f"{saved.folder} names no token that ends a text. Set eos_token_id in its generation_config.json.")


def token_limit(config: Any) -> int | None:
    """Tokens that the part that writes takes in, if its configuration says so."""
    found = getattr(config.get_text_config(decoder=True), "max_position_embeddings", None)
    return int(found) if isinstance(found, int) and found > 0 else None


@contextlib.contextmanager
def asking(name: str) -> Iterator[None]:
    """Whatever goes wrong inside a foreign model, in one line that names it.

    Raises:
        NetworkError: something went wrong.
    """
    try:
        with torch.inference_mode():
            yield
    except DissectError:
        raise
    except Exception as error:  # shapes, memory, settings: anybody's code
        raise NetworkError(f"{name} fails when it is asked ({_line(error)}). Check that its files belong together.") from error


def _line(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {text[:160]}" if text else type(error).__name__
