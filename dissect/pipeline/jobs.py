"""What a job may ask for, and which run it means. A client names things; what they are is said by whoever runs the service.

A network or a data set is a registered name (`dissect models register`), or the name of a card in a folder of cards. Paths, sources
such as `torchvision:resnet18`, weights files and trust in a checkpoint cannot be asked for.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dissect.concepts import card as data_cards
from dissect.errors import NotFoundError, UsageError
from dissect.fingerprint import Plain
from dissect.network import card as model_cards
from dissect.pipeline.names import check_layers
from dissect.pipeline.request import RunRequest
from dissect.store import Store
from dissect.store.registry import Kind

MOST_LAYERS = 200
MOST_TEXT = 200

_SPLIT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._,-]{0,79}")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "model": (str,), "data": (str,), "layers": (list, tuple), "methods": (list, tuple), "split": (str,), "profile": (str,),
    "limit": (int,), "quantile": (float, int), "threshold": (float, int), "min_images": (int,), "top": (int,), "exemplars": (int,),
    "colour_naming": (bool,),
}  # fmt: skip
"""Field -> what a client may send for it."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A run as a client asks for it; the fields are those of `RunRequest`, with registered names for model and data. None: the default."""

    model: str
    data: str
    layers: tuple[str, ...] = ()
    methods: tuple[str, ...] | None = None
    split: str | None = None
    limit: int | None = None
    profile: str | None = None
    quantile: float | None = None
    threshold: float | None = None
    min_images: int | None = None
    top: int | None = None
    exemplars: int | None = None
    colour_naming: bool | None = None

    def as_plain(self) -> dict[str, Plain]:
        """What was asked for, without what was left to the default; `from_plain` reads it back."""
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(self).items()}
        return {name: value for name, value in plain.items() if value is not None and value != []}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> JobRequest:
        """A request from JSON.

        Raises:
            UsageError: an unknown or missing field, or a value of the wrong type or length.
        """
        unknown = sorted(set(plain) - set(_TYPES))
        if unknown:
            raise UsageError(f"a job has no setting {unknown[0][:MOST_TEXT]!r}. Settings: {', '.join(_TYPES)}.")
        given = {name: _typed(name, value) for name, value in plain.items() if value is not None}
        missing = [name for name in ("model", "data") if not given.get(name)]
        if missing:
            raise UsageError(f"a job needs {' and '.join(missing)}: a registered name.")
        return cls(**given)


def names(kind: Kind, store: Store, cards: tuple[Path, ...]) -> list[str]:
    """Every name of a network or a data set that a job may use, in order."""
    listed = model_cards.list_cards(cards) if kind == "model" else data_cards.list_cards(cards)
    found = {item.name for item in listed if item.card is not None} | {item.name for item in store.registry().registered(kind)}
    return sorted(found)


def resolved(job: JobRequest, store: Store, cards: tuple[Path, ...]) -> RunRequest:
    """The run that a job means. Nothing but its names is looked up.

    Raises:
        NotFoundError: a name is not registered; near names are listed. UsageError: a setting is out of range.
    """
    check_layers(job.layers)
    if job.split is not None and (not _SPLIT.fullmatch(job.split) or ".." in job.split):
        raise UsageError(f"split is {job.split!r}. Give the name of a split, such as val.")
    fixed = {**_settings("model", job.model, store, cards), **_settings("data", job.data, store, cards)}
    asked = {name: value for name, value in dataclasses.asdict(job).items() if value is not None and name not in ("model", "data")}
    return RunRequest.from_plain({**asked, **fixed})


def _settings(kind: Kind, name: str, store: Store, cards: tuple[Path, ...]) -> dict[str, Plain]:
    """What a name stands for, as fields of a run's request."""
    registered = store.registry().find(kind, name)
    if registered is not None:
        return dict(registered.settings)
    known = names(kind, store, cards)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3) or known[:10]
        what, group = ("network", "models") if kind == "model" else ("data set", "data")
        more = f" and {len(known) - len(near)} more: dissect {group} registered" if len(known) > len(near) else ""
        raise NotFoundError(f"no {what} is registered as {name[:80]!r}. Names: {', '.join(near) or 'none'}{more}.")
    return {kind: name}


def _typed(name: str, value: Any) -> Any:
    kinds = _TYPES[name]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise UsageError(f"{name} is {str(value)[:MOST_TEXT]!r}, which is no {' or '.join(kind.__name__ for kind in kinds)}.")
    if isinstance(value, list | tuple):
        if len(value) > MOST_LAYERS or not all(isinstance(item, str) and 0 < len(item) <= MOST_TEXT for item in value):
            raise UsageError(f"{name}: give at most {MOST_LAYERS} texts of 1 to {MOST_TEXT} characters.")
        return tuple(value)
    if isinstance(value, str) and (len(value) > MOST_TEXT or "\0" in value):
        raise UsageError(f"{name} is too long, or holds a NUL. Give at most {MOST_TEXT} characters.")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**31:
        raise UsageError(f"{name} is out of range.")
    return value
