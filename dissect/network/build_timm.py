"""Networks of timm (optional package): architecture, pretrained weights, data configuration."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from typing import Any, cast

from dissect.errors import MissingExtraError, NetworkError, NotFoundError
from dissect.network.build import Built, call_builder
from dissect.network.preprocess import INTERPOLATIONS, Preprocessing, Triple
from dissect.network.source import RANDOM, ResolvedNetwork
from dissect.network.torchvision_guard import load_torchvision


def build_timm(resolved: ResolvedNetwork) -> Built:
    """The network of that name with timm's pretrained weights, a file's, or random ones.

    Raises:
        MissingExtraError: timm is not installed.
        NotFoundError: it has no such network.
    """
    load_torchvision()
    try:
        timm = importlib.import_module("timm")
    except ImportError as error:
        raise MissingExtraError(f"network timm:{resolved.target}", "timm") from error
    name = resolved.target
    if not timm.is_model(name.partition(".")[0]):
        near = timm.list_models(f"*{name[:8]}*")[:5]
        raise NotFoundError(f"timm has no network {name!r}." + (f" Near: {', '.join(near)}." if near else " See timm.list_models()."))
    own = resolved.variant == RANDOM or resolved.weights is not None
    arguments = {"pretrained": not own, **resolved.arguments}
    try:
        module = call_builder(f"timm:{name}", lambda **given: timm.create_model(name, **given), arguments, resolved.spec.seed)
    except NetworkError as error:
        if own:
            raise
        raise NetworkError(
            f"{str(error).rstrip('.')}. If its weights cannot be fetched, give --weights FILE or write timm:{name}@random."
        ) from error
    config = importlib.import_module("timm.data").resolve_model_data_config(module)
    return Built(module, data_config(config), loaded=not own, random=resolved.variant == RANDOM)


def data_config(config: Mapping[str, Any]) -> Preprocessing:
    """timm's data configuration as preprocessing: resize to input / crop_pct by the crop mode, then cut or pad about the centre."""
    _, height, width = config.get("input_size", (3, 224, 224))
    share = float(config.get("crop_pct") or 1.0)
    mode = config.get("crop_mode") or "center"
    interpolation = config.get("interpolation", "bilinear")
    scaled = (math.floor(height / share), math.floor(width / share))
    resize, resize_to = {
        "squash": ("squash", scaled),
        "border": ("longest", (max(scaled),)),
    }.get(mode, ("shortest", (min(scaled),)) if height == width else ("squash", scaled))
    return Preprocessing(
        size=(int(height), int(width)),
        resize=cast(Any, resize),
        resize_to=resize_to,
        interpolation=interpolation if interpolation in INTERPOLATIONS else "bicubic",
        mean=cast(Triple, tuple(float(value) for value in config.get("mean", (0.5, 0.5, 0.5)))),
        std=cast(Triple, tuple(float(value) for value in config.get("std", (0.5, 0.5, 0.5)))),
    )
