"""Descriptions of exemplars that lie in a folder in the layout of MILANNOTATIONS: no run, no database. And a run written as such a folder.

Letters: U units, k exemplars.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from dissect.caption.decoding import Description
from dissect.caption.describer import ExemplarSet
from dissect.caption.milannotations import ANNOTATIONS, LayerExemplars, layer_names, read_annotations, read_layer
from dissect.config import Config
from dissect.errors import NotFoundError
from dissect.pipeline.caption_request import CaptionRequest
from dissect.pipeline.captioners import open_captioner
from dissect.probe.progress import Progress

Row = Mapping[str, object]


def caption_folder(config: Config, folder: Path, request: CaptionRequest, progress: Progress, *, device: str | None = None) -> list[Row]:
    """Descriptions of every unit of a folder, a row each: layer, unit, rank, description, pmi (or lm_penalised), log_p_given, log_p, people
    (what annotations say of the unit), reason (why there is none). `request.exemplars` of each unit are looked at, at most.

    Raises:
        NotFoundError: there is no such folder, layer or captioner. DataError: a file of the folder is damaged.
        DissectError: as `caption_run`.
    """
    names = _chosen(layer_names(folder), request.layers, folder)
    people = _people(folder)
    opened = open_captioner(request.asked, config, device)
    how = request.decoding(opened.length, opened.weight)
    opened.describer.check(how)
    rows: list[Row] = []
    for name in names:
        layer = read_layer(folder, name)
        exemplars = exemplars_of(layer, request.exemplars)
        texts = opened.describer.describe(exemplars, how, progress)
        for place, several in enumerate(texts):
            unit = int(layer.units[place])
            said = " | ".join(people.get((name, unit), ()))
            rows += _rows(name, unit, several, exemplars.reason(place), said, opened.measure)
    return rows


def exemplars_of(layer: LayerExemplars, most: int | None = None) -> ExemplarSet:
    """A layer of a folder for a describer. An image that several units share is one picture, by its number in `ids`."""
    ids = layer.ids[:, :most]
    flat = ids.ravel()
    k = layer.ids.shape[1]
    places = (np.arange(len(ids))[:, None] * k + np.arange(ids.shape[1])).ravel()[flat >= 0]
    numbers, first = np.unique(flat[flat >= 0], return_index=True)
    source = places[first]
    image = np.where(ids >= 0, np.searchsorted(numbers, np.maximum(ids, 0)), -1).astype(np.int32)
    seen = (ids >= 0) & np.array([[bool(mask.any()) for mask in row[: ids.shape[1]]] for row in layer.masks], np.bool_).reshape(ids.shape)

    def picture(number: int) -> Image.Image:
        return layer.picture(int(source[number]))

    return ExemplarSet(picture, image, lambda unit, rank: np.asarray(layer.masks[unit, rank, 0] > 0), seen)


def _chosen(names: Sequence[str], patterns: Sequence[str], folder: Path) -> list[str]:
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise NotFoundError(f"{folder} has no layer {pattern!r}. Its layers: {', '.join(names)}.")
    return [name for name in names if not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def _people(folder: Path) -> dict[tuple[str, int], tuple[str, ...]]:
    """What annotations of the folder say of each unit; nothing where it has none."""
    if not (folder / ANNOTATIONS).is_file():
        return {}
    found = read_annotations(folder)
    return dict(zip(found.units, found.texts, strict=True))


def _rows(layer: str, unit: int, several: Sequence[Description], reason: str | None, people: str, measure: str) -> list[Row]:
    if not several:
        return [{"layer": layer, "unit": unit, "people": people or None, "reason": reason}]
    return [
        {
            "layer": layer, "unit": unit, "rank": rank, "description": each.text, measure: each.pmi, "log_p_given": each.log_p_given,
            "log_p": each.log_p, "people": people or None if rank == 1 else None,
        }
        for rank, each in enumerate(several, start=1)
    ]  # fmt: skip
