"""Networks of transformers, from a folder or the hub: the vision class its configuration names, safe weights, its image processor.

The processor's file is read as data: its numbers say all that is needed, and its class would need torchvision.
"""

from __future__ import annotations

import contextlib
import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from PIL import Image

from dissect.errors import CheckpointError, NetworkError, NotFoundError
from dissect.network.build import Built, call_builder, seeded
from dissect.network.checkpoint import read_checkpoint
from dissect.network.fit import FitReport, refuse_misfit
from dissect.network.preprocess import IMAGENET_MEAN, IMAGENET_STD, INTERPOLATIONS, Preprocessing, Triple
from dissect.network.source import RANDOM, ResolvedNetwork
from dissect.network.torchvision_guard import load_torchvision

VISION_TOWERS = {
    "clip": "CLIPVisionModel", "siglip": "SiglipVisionModel", "siglip2": "Siglip2VisionModel", "chinese_clip": "ChineseCLIPVisionModel",
    "altclip": "AltCLIPVisionModel", "blip": "BlipVisionModel", "blip-2": "Blip2VisionModel", "flava": "FlavaImageModel",
    "groupvit": "GroupViTVisionModel", "clipseg": "CLIPSegVisionModel", "metaclip_2": "MetaClip2VisionModel",
}  # fmt: skip
"""Of networks with a text side, only the side that sees is built."""
PATTERNS = ("config.json", "preprocessor_config.json", "*.safetensors", "*.safetensors.index.json")


def build_transformers(resolved: ResolvedNetwork) -> Built:
    """The vision network of a local folder, or of a hub name (fetched once into the usual cache).

    Raises:
        NotFoundError: neither a folder with config.json nor a hub name that can be reached.
        CheckpointError: its weights are not safe tensors, or do not fill the network.
    """
    load_torchvision()
    transformers = importlib.import_module("transformers")
    with quiet(transformers):
        return _build(transformers, resolved)


def _build(transformers: Any, resolved: ResolvedNetwork) -> Built:
    folder = saved_folder(resolved.target)
    config = _config(transformers, folder)
    kind = _class(transformers, config, resolved.target)
    tower = getattr(config, "vision_config", None)
    own = resolved.variant == RANDOM or resolved.weights is not None
    if own:
        chosen = tower if tower is not None and not isinstance(config, kind.config_class) else config
        module = call_builder(f"transformers:{resolved.target}", lambda: kind(chosen), {}, resolved.spec.seed)
    else:
        module = pretrained(kind, folder, resolved)
    names = getattr(config, "id2label", None) if "ImageClassification" in type(module).__name__ else None
    classes = tuple(str(names[index]) for index in sorted(names)) if names else ()
    side = getattr(tower or config, "image_size", None)
    return Built(module, _processor(folder, side), classes, loaded=not own, random=resolved.variant == RANDOM)


def processor(values: Mapping[str, Any], side: Any = None) -> Preprocessing:
    """An image processor's numbers as preprocessing. `side`: the configuration's image size, where the processor says none."""
    size, crop = values.get("size"), values.get("crop_size")
    cut = values.get("do_center_crop", False) and crop is not None
    share = values.get("crop_pct")
    target = _box(crop) if cut else _box(size)
    if target is None:
        target = _box(side) or (224, 224)
    resize, resize_to = _rule(size, values.get("do_resize", True), target)
    if share and resize_to is not None and min(target) < 384:  # ConvNeXt: enlarge by 1 / share, then cut; from 384 on it squashes
        resize, resize_to = "shortest", (int(min(target) / share),)
    elif share:
        resize, resize_to = "squash", target
    normalise = values.get("do_normalize", True)
    return Preprocessing(
        size=target,
        resize=cast(Any, resize),
        resize_to=resize_to,
        interpolation=_interpolation(values.get("resample", 2)),
        scale=float(values.get("rescale_factor", 1 / 255)) if values.get("do_rescale", True) else 1.0,
        mean=_triple(values.get("image_mean", IMAGENET_MEAN)) if normalise else (0.0, 0.0, 0.0),
        std=_triple(values.get("image_std", IMAGENET_STD)) if normalise else (1.0, 1.0, 1.0),
        odd_crop="less",
    )


@contextlib.contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """No progress bars and tables of the library among our own output; its settings are put back."""
    logging = transformers.utils.logging
    was, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(was)
        if bars:
            logging.enable_progress_bar()


def saved_folder(target: str, patterns: Sequence[str] = PATTERNS) -> Path:
    """The folder itself, or the one to which the hub's files of these patterns were fetched.

    Raises:
        NotFoundError: neither a folder with config.json nor a hub name that can be reached.
    """
    path = Path(target).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise NotFoundError(f"{path} holds no config.json, so it is no saved transformers network. Name the folder of save_pretrained.")
        return path
    hub = importlib.import_module("huggingface_hub")
    try:
        return Path(hub.snapshot_download(target, allow_patterns=list(patterns)))
    except Exception as error:  # many kinds: offline, unknown, gated, malformed name
        reason = " ".join(str(error).split())[:160]
        raise NotFoundError(
            f"{target} is no folder here, and the hub does not give it ({type(error).__name__}: {reason}). "
            "Check the name and the connection, or name a folder with config.json and model.safetensors."
        ) from error


def _config(transformers: Any, folder: Path) -> Any:
    try:
        return transformers.AutoConfig.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise NetworkError(
            f"{folder / 'config.json'} is no configuration that this transformers knows ({reason}). "
            "Networks that bring their own code are not run; name a factory of yours instead."
        ) from error


def _class(transformers: Any, config: Any, target: str) -> Any:
    """The class that sees: a known vision tower, else the one the configuration was saved from, else the plain network of its type."""
    names = [VISION_TOWERS.get(config.model_type, ""), *(getattr(config, "architectures", None) or [])]
    for name in names:
        kind = getattr(transformers, name, None) if name else None
        if kind is not None and hasattr(kind, "from_pretrained"):
            return kind
    try:
        return transformers.AutoModel._model_mapping[type(config)]
    except Exception as error:
        kind = config.model_type
        raise NetworkError(f"transformers knows no network for {target} (type {kind}). Name a factory of yours instead.") from error


def pretrained(kind: Any, folder: Path, resolved: ResolvedNetwork) -> Any:
    """A network of class `kind` with the weights of a folder: safetensors, or a pickle of plain tensors.

    Raises:
        CheckpointError: there are none, they cannot be read safely, or they do not fill the network.
    """
    state = None
    if not any(folder.glob("*.safetensors")):
        pickled = next(iter(sorted(folder.glob("pytorch_model.bin"))), None)
        if pickled is None:
            raise CheckpointError(f"{folder} holds no model.safetensors. Use save_pretrained, or write @random after the network's name.")
        state = dict(read_checkpoint(pickled, resolved.spec.trust, resolved.spec.ema).tensors)
    try:
        with seeded(resolved.spec.seed):
            if state is None:
                module, info = kind.from_pretrained(
                    str(folder), use_safetensors=True, trust_remote_code=False, local_files_only=True, output_loading_info=True
                )
            else:
                config = _config(importlib.import_module("transformers"), folder)
                module, info = kind.from_pretrained(None, config=config, state_dict=state, output_loading_info=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        kind_of = type(error).__name__
        raise CheckpointError(f"the weights in {folder} cannot be loaded ({kind_of}: {reason}). Save the network again.") from error
    _refuse_partial(module, info, folder, resolved)
    return module


def _refuse_partial(module: Any, info: Mapping[str, Any], folder: Path, resolved: ResolvedNetwork) -> None:
    """Tensors of the other side (text) are left over by design; missing ones and other shapes are not."""
    missing = sorted(str(name) for name in info.get("missing_keys", ()))
    wrong = sorted(str(item[0] if isinstance(item, list | tuple) else item) for item in info.get("mismatched_keys", ()))
    names = tuple(name for name in module.state_dict() if name not in missing and name not in wrong)
    refuse_misfit(FitReport(names, tuple(missing), (), tuple(wrong)), str(folder), resolved.spec.partial)


def _processor(folder: Path, side: Any) -> Preprocessing:
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return processor({}, side)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return processor(values, side)
    except Exception as error:  # anything may be in there
        raise NetworkError(f"{path} is no image processor's file ({error}). Mend it, or write a card with [preprocessing].") from error


def _rule(size: Any, resized: bool, target: tuple[int, int]) -> tuple[str, tuple[int, ...] | None]:
    if not resized:
        return "squash", None
    if isinstance(size, Mapping) and "shortest_edge" in size and "longest_edge" not in size:
        return "shortest", (int(size["shortest_edge"]),)
    if isinstance(size, Mapping) and set(size) == {"longest_edge"}:
        return "longest", (int(size["longest_edge"]),)
    if isinstance(size, int):
        return ("shortest", (size,)) if (size, size) != target else ("squash", None)
    return "squash", _box(size)


def _box(size: Any) -> tuple[int, int] | None:
    """(height, width) of a size as the processors write it, if it is one."""
    if isinstance(size, Mapping):
        if "height" in size and "width" in size:
            return int(size["height"]), int(size["width"])
        side = size.get("shortest_edge", size.get("longest_edge"))
        return (int(side), int(side)) if side is not None else None
    if isinstance(size, list | tuple) and len(size) == 2:
        return int(size[0]), int(size[1])
    return (int(size), int(size)) if isinstance(size, int) else None


def _interpolation(resample: Any) -> str:
    try:
        method = Image.Resampling(int(resample))
    except ValueError:
        return "bilinear"
    return next(name for name, known in INTERPOLATIONS.items() if known == method)


def _triple(values: Any) -> Triple:
    found = tuple(float(value) for value in values)
    if len(found) != 3:
        raise NetworkError(f"{len(found)} channel means instead of three: only networks of RGB pictures can be dissected.")
    return found
