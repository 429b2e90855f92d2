"""Masks and label maps as spans of consecutive pixels, the form in which a mask meets another image's labels fast.

A unit's mask is a few dozen spans of pixels y * W + x, a label map some hundred of one local signature each. Laying the one over the
other costs a step a span, not a pixel; and a layer's masks take megabytes where their positions take hundreds.
Letters: n used images, P = H * W pixels, U units, M pairs of image and unit with an active pixel, L local signatures of all images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dissect.errors import NotSupportedError, ShapeError
from dissect.probe.active import active_pixels
from dissect.probe.kernels import threads_for
from dissect.probe.labelling import LabelSource, cut_labels
from dissect.probe.levels import RecordedLayer
from dissect.probe.maps import MapShard
from dissect.probe.settings import ProbeResult
from dissect.probe.signatures import LabelShard, merge_tables
from dissect.probe.tables import Int32, Int64, LayerProbe, SignatureTable
from dissect.probe.tally import TallyShard
from dissect.probe.upsample import Grid
from dissect.verify import null_kernels as kernels

Pixels = NDArray[Any]
"""Pixel numbers: uint16, or uint32 where H * W > 65,536."""
_IMAGES = 64
"""Images whose spans are worked out at a time where they were not kept."""


@dataclass(frozen=True)
class LabelSpans:
    """Label maps of n images.

    offsets (n+1,) int64: image i owns spans offsets[i] .. offsets[i+1] of last (their last pixel) and local (uint16, its local
    signature). jump (n, P / 64): span of the image that holds each 64th pixel. local_offsets (n+1,) int64: image i owns rows
    local_offsets[i] .. local_offsets[i+1] of row_signature (L,) int32, into `table`. annotated (n, K) bool.
    """

    offsets: Int64
    last: Pixels
    local: NDArray[np.uint16]
    jump: Pixels
    local_offsets: Int64
    row_signature: Int32
    table: SignatureTable
    annotated: NDArray[np.bool_]
    label_size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def as_shard(self) -> LabelShard:
        """The same as one label shard, without maps, pixel counts and whole-image ids."""
        n, rows = len(self), len(self.row_signature)
        return LabelShard(
            np.zeros((n, 0), np.uint16), self.local_offsets, self.row_signature, np.zeros(rows, np.int64), self.table, self.annotated,
            np.zeros(n + 1, np.int64), np.zeros(0, np.uint16), np.ones(n, np.bool_), self.label_size,
        )  # fmt: skip


@dataclass(frozen=True)
class MaskSpans:
    """Masks of U units on n images.

    unit_offsets (U+1,) int64: unit u owns pairs unit_offsets[u] .. unit_offsets[u+1]. image (M,) int32: place among the used images.
    area (M,) int64: active pixels. offsets (M+1,) int64: pair m owns spans offsets[m] .. offsets[m+1] of first and last pixel.
    """

    unit_offsets: Int64
    image: Int32
    area: Int64
    offsets: Int64
    first: Pixels
    last: Pixels

    @property
    def units(self) -> int:
        """U."""
        return len(self.unit_offsets) - 1


def label_spans(labels: LabelSource, image_index: Int32) -> LabelSpans:
    """The label maps of the used images, one recorded shard at a time.

    Raises:
        ShapeError: an image that is said to be used has no labels.
    """
    return join_labels([_used_labels(labels, first, stop, image_index) for first, stop in labels.ranges if _any(image_index, first, stop)])


def join_labels(shards: Sequence[LabelShard]) -> LabelSpans:
    """The same of label shards at hand; their skipped images are left out.

    Raises:
        ShapeError: there is no image, or the shards have different label sizes.
    """
    shards = [keep_images(shard, shard.included) for shard in shards]
    if not sum(len(shard.included) for shard in shards) or len({shard.label_size for shard in shards}) != 1:
        raise ShapeError("no labels to test against, or labels of different sizes.")
    table, places = merge_tables([shard.table for shard in shards])
    parts = [_spans(shard.signature_map) for shard in shards]
    lengths, last, local, jump = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    rows = [place[shard.local_signature] for shard, place in zip(shards, places, strict=True)]
    return LabelSpans(
        _starts(lengths), last, local, jump,
        _starts(np.concatenate([np.diff(shard.local_offsets) for shard in shards])), np.concatenate(rows).astype(np.int32), table,
        np.concatenate([shard.annotated for shard in shards]), shards[0].label_size,
    )  # fmt: skip


def keep_images(shard: LabelShard, kept: NDArray[np.bool_]) -> LabelShard:
    """Some images of a shard, with the table of the whole."""
    if kept.all():
        return shard
    owner = np.repeat(kept, np.diff(shard.local_offsets))
    whole = np.repeat(kept, np.diff(shard.whole_offsets))
    return LabelShard(
        shard.signature_map[kept], _starts(np.diff(shard.local_offsets)[kept]), shard.local_signature[owner], shard.local_pixels[owner],
        shard.table, shard.annotated[kept], _starts(np.diff(shard.whole_offsets)[kept]), shard.whole_ids[whole], shard.included[kept],
        shard.label_size,
    )  # fmt: skip


def mask_spans(result: ProbeResult, layer: LayerProbe, over: Grid | None = None) -> MaskSpans:
    """The masks of one layer on the used images, from the spans kept with its counts, or, where they were not, from its maps.

    over: the grid the masks were made with; needed only where spans were not kept.

    Raises:
        NotSupportedError: spans were not kept, and neither a grid nor the recorded maps are at hand.
    """
    name = layer.layer.name
    if name not in result.tallies:
        raise NotSupportedError(f"layer {name} was not counted against label maps; there is nothing to test. Choose another data set.")
    parts = []
    for index, (first, stop, tally) in enumerate(result.tallies[name].parts()):
        place = _places(result.image_index, first, stop)
        if len(tally.span_offsets):
            parts.append(shard_spans(tally.pair_image, tally.pair_unit, tally.span_offsets, tally.span_first, tally.span_last, place))
        elif over is None or name not in result.recorded or result.labels is None:
            raise NotSupportedError(
                f"the places of active pixels of layer {name} were not kept, and its activations are not at hand: it cannot be tested "
                "against chance. Run the probe again with a larger --cache-limit."
            )
        else:
            parts += list(_again(result.recorded[name], result.labels, index, _cut(layer), over, place))
    return join_masks(parts, layer.layer.units)


def tally_masks(tallies: Sequence[TallyShard], places: Sequence[Int64], units: int) -> MaskSpans:
    """The same of counts at hand; places[k]: place among the used images of each image of shard k, -1 for unused ones."""
    parts = [
        shard_spans(tally.pair_image, tally.pair_unit, tally.span_offsets, tally.span_first, tally.span_last, place)
        for tally, place in zip(tallies, places, strict=True)
    ]
    return join_masks(parts, units)


Part = tuple[Int64, Int64, Int64, Int64, Pixels, Pixels]
"""image, unit, area, spans of each pair; first and last pixel of each span."""


def join_masks(parts: Sequence[Part], units: int) -> MaskSpans:
    """Pairs of many shards, sorted by unit."""
    image, unit, area, lengths, first, last = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.argsort(unit, kind="stable")
    starts = _starts(lengths)
    offsets = _starts(lengths[order])
    moved = np.empty_like(first), np.empty_like(last)
    with threads_for(len(first)):
        kernels.gather(starts[:-1][order], offsets, first, last, *moved)
    return MaskSpans(_starts(np.bincount(unit, minlength=units)), image[order].astype(np.int32), area[order], offsets, *moved)


def shard_spans(image: Int32, unit: Int32, offsets: Int64, first: Pixels, last: Pixels, place: Int64) -> Part:
    """Pairs of one shard; place: place among the used images of each image of the shard."""
    ends = np.zeros(len(first) + 1, np.int64)
    np.cumsum(last.astype(np.int64) - first + 1, out=ends[1:])
    return place[image], unit.astype(np.int64), np.diff(ends[offsets]), np.diff(offsets), first, last


def _again(
    recorded: RecordedLayer, labels: LabelSource, index: int, cut: NDArray[np.float32], over: Grid, place: Int64
) -> Iterator[Part]:  # fmt: skip
    """Masks worked out from the recorded maps of one shard, some images at a time."""
    maps = recorded.shard(index).maps
    first, stop = recorded.plan.ranges[index]
    shard = labels.part(first, stop)
    used = place >= 0
    for start in range(0, stop - first, _IMAGES):
        here = slice(start, min(start + _IMAGES, stop - first))
        some = MapShard(_values(maps, here), maps.maxima[here], used[here], maps.map_size, None if maps.row is None else maps.row[here])
        found = active_pixels(some, cut, cut_labels(shard, here.start, here.stop), over)
        if not found.kept:
            raise NotSupportedError(f"layer {recorded.plan.layer.name} has too many active pixels to be tested; lower the quantile.")
        yield shard_spans(found.image.astype(np.int32), found.unit.astype(np.int32), found.offsets, found.first, found.last, place[here])


def _values(maps: MapShard, here: slice) -> NDArray[Any]:
    """The maps of some images of a dense shard; all of a sparse one, whose row table says where they are."""
    return maps.values if maps.row is not None else maps.values[here.start * maps.units : here.stop * maps.units]


def _cut(layer: LayerProbe) -> NDArray[np.float32]:
    """Values above these are active: the threshold, or the float just below the maximum of a saturated unit."""
    state = np.array(layer.stats.state)
    cut = layer.stats.threshold.astype(np.float32)
    cut = np.where(state == "saturated", np.nextafter(cut, np.float32(-np.inf)), cut)
    return np.where(np.isin(state, ("dead", "constant")), np.float32(np.inf), cut).astype(np.float32)


def _places(image_index: Int32, first: int, stop: int) -> Int64:
    """(stop - first,) place of each image among the used ones, -1 for those not used."""
    place = np.full(stop - first, -1, np.int64)
    begin, end = np.searchsorted(image_index, (first, stop))
    place[image_index[begin:end] - first] = np.arange(begin, end)
    return place


def _used_labels(labels: LabelSource, first: int, stop: int, image_index: Int32) -> LabelShard:
    used = _places(image_index, first, stop) >= 0
    shard = labels.part(first, stop)
    if (used & ~shard.included).any():
        raise ShapeError("an image that is said to be used has no labels; these labels belong to another run.")
    return keep_images(shard, used)


def _any(image_index: Int32, first: int, stop: int) -> bool:
    return bool(np.diff(np.searchsorted(image_index, (first, stop)))[0])


def _spans(maps: NDArray[np.uint16]) -> tuple[Int64, Pixels, NDArray[np.uint16], Pixels]:
    """Spans of label maps (n, P): how many of each image, last pixel and local signature of each, and the jump table."""
    pixels = maps.shape[1]
    kind = np.uint16 if pixels <= 65_536 else np.uint32
    lengths = np.zeros(len(maps), np.int64)
    with threads_for(maps.size):
        kernels.count_label_spans(maps, lengths)
    offsets = _starts(lengths)
    last, local = np.empty(int(offsets[-1]), kind), np.empty(int(offsets[-1]), np.uint16)
    jump = np.empty((len(maps), -(-pixels // kernels.STRIDE)), kind)
    with threads_for(maps.size):
        kernels.write_label_spans(maps, offsets, last, local, jump)
    return lengths, last, local, jump


def _starts(lengths: NDArray[Any]) -> Int64:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
