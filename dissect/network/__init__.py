"""Networks: where they come from, how their weights are read safely, and how their layers' outputs become unit maps.

The names below are imported when they are first used, because torch takes seconds and cards do not need it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dissect.network.card import ModelCard, list_cards, load_card
    from dissect.network.load import load_network
    from dissect.network.loaded import LoadedNetwork
    from dissect.network.preprocess import Preprocessing
    from dissect.network.source import NetworkSpec, resolve

__all__ = ["LoadedNetwork", "ModelCard", "NetworkSpec", "Preprocessing", "list_cards", "load_card", "load_network", "resolve"]

_HOMES = {
    "LoadedNetwork": "loaded", "ModelCard": "card", "NetworkSpec": "source", "Preprocessing": "preprocess", "list_cards": "card",
    "load_card": "card", "load_network": "load", "resolve": "source",
}  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
