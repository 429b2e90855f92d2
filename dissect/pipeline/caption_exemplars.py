"""The exemplars that a captioner sees: a unit's pictures of highest activation, with masks at a larger share than the run's own.

The masks are cut at the 0.99 quantile of all positions (the run's own, for scores, at 0.995). Thresholds come from the recorded
histograms and maps from the cache; where a layer was kept sparsely and lacks them, it is recorded again.
Source: Hernandez et al. 2022, section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from dissect.caption.describer import ExemplarSet
from dissect.concepts.images import open_image
from dissect.concepts.model import ImageRecord
from dissect.config import Config
from dissect.errors import NotFoundError
from dissect.network import LoadedNetwork
from dissect.network.model import LayerInfo, View
from dissect.pipeline.probed import Probed
from dissect.pipeline.spec import probe_again
from dissect.probe.counting import best_images
from dissect.probe.exemplars import unpack_mask
from dissect.probe.levels import levels
from dissect.probe.profile import profile
from dissect.probe.progress import Progress
from dissect.probe.tables import Exemplars, LayerProbe
from dissect.probe.upsample import grid
from dissect.store import RunRecord, Store


@dataclass(frozen=True)
class Wanted:
    """count: exemplars of a unit (k). share: of positions above the masks' threshold."""

    count: int = 15
    share: float = 0.01


def layer_exemplars(probed: Probed, layer: LayerInfo, wanted: Wanted) -> Exemplars | None:
    """Exemplars of one probed layer, with their masks at label size; None where maps that are needed were not kept."""
    rules = profile(probed.request.profile)
    recorded = probed.result.recorded[layer.name]
    found = levels(recorded, wanted.share, rules).found
    if found is None:
        return None
    over = grid(layer.map_size, probed.result.label_size, rules.upsampling, probed.network.input_size)
    return best_images(recorded, found, over, wanted.count)


def found_exemplars(
    store: Store, config: Config, record: RunRecord, probed: Probed, layer: LayerProbe, wanted: Wanted, progress: Progress, workers: int
) -> tuple[Exemplars, Probed]:
    """A layer's exemplars; where its maps were kept too sparsely all layers are recorded again, and that probe is returned.

    Raises:
        NotFoundError: they are not there even then.
    """
    best = layer_exemplars(probed, layer.layer, wanted)
    if best is None:
        probed = probe_again(store, config, str(record.id), progress, workers, quantile=wanted.share)
        best = layer_exemplars(probed, layer.layer, wanted)
    if best is None:
        raise NotFoundError(f"the maps of layer {layer.layer.name} are not in the cache. Raise --cache-limit and try again.")
    return best, probed


def exemplar_set(best: Exemplars, picture: Callable[[int], Image.Image]) -> ExemplarSet:
    """What a describer is given. picture: opens a picture by its index."""
    seen = np.array([[bool(mask) and bool(unpack_mask(mask, best.mask_size).any()) for mask in row] for row in best.masks], np.bool_)
    return ExemplarSet(
        picture,
        best.image,
        lambda unit, rank: unpack_mask(best.masks[unit][rank], best.mask_size),
        seen.reshape(best.image.shape),
    )


def pictures_of(records: Sequence[ImageRecord], network: LoadedNetwork) -> Callable[[int], Image.Image]:
    """Opens the pictures of a data set as a network sees them: whole, or cut to its view."""

    def picture(index: int) -> Image.Image:
        image = open_image(records[index].path)
        return cut(image, network.view(image.size))

    return picture


def cut(image: Image.Image, view: View) -> Image.Image:
    """The part of a picture inside a view; black where the view reaches beyond the picture."""
    box = tuple(round(edge) for edge in (view.left, view.top, view.right, view.bottom))
    return image if box == (0, 0, *image.size) else image.crop(box)  # type: ignore[arg-type]
