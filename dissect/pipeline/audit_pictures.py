"""Small pictures of the units that an audit found, redacted where that is asked for: before they are written anywhere."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dissect.audit.finding import AuditReport
from dissect.audit.lexicon import lexicon
from dissect.exchange.audit_page import AuditPicture
from dissect.exchange.from_store import thumbnail_path
from dissect.exchange.redact import encoded, redact
from dissect.pipeline.probed import Probed
from dissect.probe.signatures import LabelShard
from dissect.store import RunRecord, Store

SENSITIVE = ("faces", "people", "gender", "age", "skin")
"""Lexicons whose words name concepts that are blacked."""
MOST_UNITS = 24
A_UNIT = 3
Mask = NDArray[np.bool_]


def audit_pictures(
    store: Store, record: RunRecord, report: AuditReport, thumbs: Path, hide: Probed | None, *, redacted: bool
) -> dict[tuple[str, int], list[AuditPicture]]:
    """(layer, unit) -> pictures of the first units that were found. hide: the run's label maps, for redaction; None: black all over."""
    found: dict[tuple[str, int], list[AuditPicture]] = {}
    masks: dict[int, Mask | None] = {}
    for layer, unit in _units(report):
        view = store.unit(None, layer, unit, run=record.id, exemplars=A_UNIT)
        for exemplar in view.exemplars:
            path = thumbnail_path(thumbs, exemplar.sha256)
            if path is None:
                continue
            if redacted and exemplar.image_index not in masks:
                masks.update(sensitive_masks(hide, [exemplar.image_index]))
            picture = _picture(path, masks.get(exemplar.image_index), f"{layer}/{unit}, exemplar {exemplar.rank}", redacted)
            if picture is not None:
                found.setdefault((layer, unit), []).append(picture)
    return found


def sensitive_masks(probed: Probed | None, images: Sequence[int]) -> Mapping[int, Mask | None]:
    """Image -> (H, W) where a face, a body or a person is annotated; None where the data set cannot say."""
    nothing: dict[int, Mask | None] = dict.fromkeys(images)
    if probed is None or probed.result.labels is None:
        return nothing
    words = [lexicon(name) for name in SENSITIVE]
    wanted = [each.index for each in probed.vocabulary.concepts if any(one.hits(each.name) for one in words)]
    source = probed.result.labels
    for image in images:
        span = next(((start, stop) for start, stop in source.ranges if start <= image < stop), None)
        if wanted and span is not None:
            nothing[image] = concept_mask(source.part(*span), image - span[0], wanted)
    return nothing


def concept_mask(labels: LabelShard, place: int, concepts: Sequence[int]) -> Mask | None:
    """(H, W) where one of the concepts lies in an image of a shard; None if the image was skipped."""
    if not labels.included[place]:
        return None
    table = labels.table
    owner = np.repeat(np.arange(len(table)), np.diff(table.offsets))
    holds = np.zeros(len(table), np.bool_)
    holds[owner[np.isin(table.members, np.array(concepts, np.int64))]] = True
    local = labels.local_signature[labels.local_offsets[place] : labels.local_offsets[place + 1]]
    mask: Mask = holds[local][labels.signature_map[place]].reshape(labels.label_size)
    return mask


def _units(report: AuditReport) -> list[tuple[str, int]]:
    """Units with findings, those of tests between groups first."""
    found = [each for each in report.findings if each.found and each.unit is not None]
    found.sort(key=lambda each: each.kind in ("description", "mask"))
    return list(dict.fromkeys((each.layer, each.unit) for each in found if each.unit is not None))[:MOST_UNITS]


def _picture(path: Path, mask: Mask | None, alt: str, redacted: bool) -> AuditPicture | None:
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as picture:
            size = picture.size
            data = encoded(redact(picture, mask)) if redacted else data
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return AuditPicture(data, *size, alt + (", redacted" if redacted else ""))
