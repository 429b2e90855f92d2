"""A run's exemplars and descriptions written in the layout of MILANNOTATIONS, for other captioners, and for people to describe.

Letters: U units, k exemplars.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dissect.caption.milannotations import ANNOTATIONS, write_annotations, write_layer
from dissect.config import Config
from dissect.errors import NotFoundError
from dissect.pipeline.caption_exemplars import found_exemplars, pictures_of
from dissect.pipeline.caption_request import METHOD, CaptionRequest
from dissect.pipeline.spec import probe_again
from dissect.probe.exemplars import unpack_mask
from dissect.probe.progress import Progress
from dissect.probe.tables import Exemplars
from dissect.store import RunRecord, Store, UnitFilter

SIZE = (224, 224)
"""Of pictures and masks, as published."""
TEXTS = 3
"""Descriptions of a unit at most, the best first: as many as people gave each."""


def export_exemplars(store: Store, config: Config, reference: str | int, folder: Path, progress: Progress, *, workers: int = 1) -> Path:
    """Write a folder a layer, and `annotations.csv` where units are described. Masks as those that descriptions are made from.

    Raises:
        NotFoundError: no such run, or it is not done. ImageError: a picture cannot be read.
        DissectError: as `probe_again`.
    """
    record = store.run(reference)
    if record.state != "done":
        raise NotFoundError(f"run {record.id} is {record.state}. Finish it first with the command that began it.")
    probed = probe_again(store, config, str(record.id), progress, workers)
    settings = {each.layer: each.settings for each in store.layer_methods(record.id) if each.method == METHOD}
    for layer in probed.result.layers:
        request = CaptionRequest.from_plain(settings.get(layer.layer.name, {}))
        best, probed = found_exemplars(store, config, record, probed, layer, request.wanted, progress, workers)
        progress.start(f"write {layer.layer.name}", layer.layer.units, "unit")
        _write(folder, layer.layer.name, best, pictures_of(probed.records, probed.network), progress)
        progress.done()
    _annotations(store, record, folder)
    return folder


def _write(folder: Path, layer: str, best: Exemplars, picture: Callable[[int], Image.Image], progress: Progress) -> None:
    """One layer. `write_layer` asks for each unit twice, once for its pictures and once for its masks."""

    def unit(place: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        pictures = np.zeros((best.image.shape[1], *SIZE, 3), np.uint8)
        masks = np.zeros((best.image.shape[1], *SIZE), np.bool_)
        for rank, index in enumerate(best.image[place].tolist()):
            if index >= 0:
                pictures[rank] = np.asarray(picture(index).resize((SIZE[1], SIZE[0]), Image.Resampling.BILINEAR))
                masks[rank] = enlarged(unpack_mask(best.masks[place][rank], best.mask_size))
        progress.advance()
        return pictures, masks

    activations = np.where(best.image >= 0, best.activation, 0)
    write_layer(folder, layer, unit, best.image.astype(np.int64), SIZE, activations=activations)


def enlarged(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask (H, W) at the size of the pictures, each pixel taken from under its centre."""
    image = Image.fromarray(mask.astype(np.uint8)).resize((SIZE[1], SIZE[0]), Image.Resampling.NEAREST)
    return np.asarray(image) > 0


def _annotations(store: Store, record: RunRecord, folder: Path) -> None:
    """The best descriptions of every unit that has one; no file where none has."""
    names, texts = [], []
    for layer in store.layers(record.id):
        filters = UnitFilter(run=record.id, layer=layer.layer)
        for view in store.units(filters, order="index", limit=1_000_000, exemplars=0):
            said = sorted((label for label in view.labels if label.method == METHOD), key=lambda label: label.rank)
            if said:
                names.append((layer.layer, view.index))
                texts.append([label.text for label in said[:TEXTS]])
    if names:
        write_annotations(folder / ANNOTATIONS, names, texts)
