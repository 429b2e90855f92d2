"""Head crops of real photographs, and the age and gender network audited on them.

Clothing Co-Parsing gives heads (the box of hair, with the skin below it) and clothes; COCO gives heads (from eyes, ears and nose) and the
words that people used for them in captions. Nobody's sex is annotated, and none is guessed: clothes and words are what they are.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import spearmanr

from dissect.audit.confounders import brightness
from dissect.audit.effect import audit_effects, unit_effects
from dissect.audit.groups import subjects
from dissect.audit.response import Rules, Selectivity, audit_responses
from dissect.audit.responses import unit_responses
from dissect.concepts.model import ImageRecord, Labels, Vocabulary
from dissect.fingerprint import fingerprint
from dissect.network.load import load_network
from dissect.network.preprocess import Preprocessing
from dissect.network.source import NetworkSpec
from dissect.probe.cache import Cache
from dissect.probe.ledger import MemoryLedger
from dissect.probe.progress import Quiet
from dissect.probe.runner import ProbeSettings, probe

LAYER = "exit_flow.separable_conv"
FACE = Preprocessing((112, 112), "longest", scale=1 / 256, mean=(122.782 / 256, 117.001 / 256, 104.298 / 256))
HAIR, SKIN, CLOTHES = 19, 41, {"dress": 14, "sunglasses": 47, "suit": 46, "tie": 52}
MEN, WOMEN = re.compile(r"\b(man|men|boy|boys|he|his|male)\b", re.I), re.compile(r"\b(woman|women|girl|girls|she|her|female|lady)\b", re.I)
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Heads:
    """Crops as a probe set without labels."""

    records: Sequence[ImageRecord]
    name: str = "heads"
    label_kind: str = "none"
    default_label_size: tuple[int, int] | None = None
    vocabulary: Vocabulary = Vocabulary("heads", (), ())  # noqa: RUF009

    def labels(self, index: int) -> Labels:
        return Labels((), (), frozenset())

    def content_hash(self) -> str:
        return fingerprint({"heads": [record.path.read_bytes().hex() for record in self.records]})


@dataclass(frozen=True)
class Audited:
    """response, effect: the audits. rank: Spearman between mean size of effect on the gender logit and the weight that reads the unit;
    by_spread: the same with the weight times the unit's mean largest response. heads: how many crops of either set."""

    response: Selectivity
    effect: Selectivity
    rank: float
    by_spread: float
    heads: tuple[int, int]


def clothed_heads(shared: Path) -> Iterator[tuple[str, Image.Image, dict[str, str]]]:
    """Clothing Co-Parsing: one head a picture, where hair is labelled."""
    root = shared / "data" / "clothing_coparsing"
    with (root / "index.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            mask = np.asarray(Image.open(root / row["mask"]))
            box = head_box(mask)
            if box is not None:
                worn = {int(number) for number in row["class_ids"].split()}
                attributes = {name: "yes" if number in worn else "no" for name, number in CLOTHES.items()}
                with Image.open(root / row["image"]) as picture:
                    yield f"ccp-{Path(row['image']).stem}", picture.convert("RGB").crop(box), attributes


def head_box(mask: NDArray[np.uint8]) -> Box | None:
    """A square about the upper part of the hair and the skin beside and below it."""
    rows, columns = np.nonzero(mask == HAIR)
    if len(rows) < 200:
        return None
    top = int(np.percentile(rows, 1))
    near = columns[rows < top + 90]
    centre = float(np.median(near))
    skin_rows, skin_columns = np.nonzero(mask == SKIN)
    face = skin_rows[(np.abs(skin_columns - centre) < 45) & (skin_rows > top) & (skin_rows < top + 120)]
    side = int(np.clip(1.15 * ((np.percentile(face, 90) if len(face) else top + 90) - top), 60, 150))
    left = int(centre - side / 2)
    return left, top - side // 12, left + side, top - side // 12 + side


def captioned_heads(shared: Path) -> Iterator[tuple[str, Image.Image, dict[str, str]]]:
    """COCO: the largest person of a picture with three of eyes, ears and nose, and the gender words of its five captions."""
    root = shared / "data" / "coco_mini_cc"
    points = json.loads((root / "person_keypoints.json").read_text())
    words: dict[int, str] = {}
    for each in json.loads((root / "captions.json").read_text())["annotations"]:
        words[each["image_id"]] = words.get(each["image_id"], "") + " " + each["caption"]
    largest: dict[int, dict[str, object]] = {}
    for person in sorted(points["annotations"], key=lambda person: float(person["area"])):
        largest[person["image_id"]] = person
    for image in points["images"]:
        person = largest.get(image["id"])
        box = None if person is None else _points_box(np.array(person["keypoints"], np.float64).reshape(17, 3)[:5])
        if box is not None:
            text = words.get(image["id"], "")
            men, women = bool(MEN.search(text)), bool(WOMEN.search(text))
            said = "man" if men and not women else "woman" if women and not men else ""
            with Image.open(root / "images" / image["file_name"]) as picture:
                yield f"coco-{image['id']}", picture.convert("RGB").crop(box), {"word": said}


def _points_box(points: NDArray[np.float64]) -> Box | None:
    seen = points[points[:, 2] > 0, :2]
    if len(seen) < 3:
        return None
    side = 2.4 * float(np.ptp(seen, axis=0).max())
    if side < 24:
        return None
    x, y = seen.mean(axis=0)
    return int(x - side / 2), int(y - side / 2), int(x + side / 2), int(y + side / 2)


def heads(shared: Path, folder: Path) -> Heads:
    """Write all crops and list them."""
    folder.mkdir(parents=True, exist_ok=True)
    records: list[ImageRecord] = []
    for key, crop, attributes in (*clothed_heads(shared), *captioned_heads(shared)):
        path = folder / f"{key}.png"
        crop.save(path)
        records.append(ImageRecord(len(records), key, path, attributes=attributes))
    return Heads(records)


def audited(shared: Path, folder: Path) -> Audited:
    """Both audits of the last convolution, and the rank correlations."""
    data = heads(shared, folder / "heads")
    weights = shared / "models" / "age_gender_tiny_xception.safetensors"
    network = load_network(NetworkSpec("tests.factories:age_gender", weights=weights, preprocessing=FACE, geometry="model"))
    layer = network.layers((LAYER,))[0]
    result = probe(network, data, ProbeSettings(layers=(LAYER,), thumbnails=False), Cache(folder / "cache"), MemoryLedger(), Quiet())
    responses = unit_responses(result, LAYER, data.vocabulary)
    of = subjects(data.records, result.image_index, responses.present, brightness(data.records, result.image_index, workers=2))
    rules = Rules(confounders=("brightness", "contrast"), bootstrap=200, draws=20_000)
    # The layer's ReLU is a plain function behind it: zero before it is zero after it.
    effects = unit_effects(network, layer, data.records, result.image_index, lambda outputs: outputs[..., 1] - outputs[..., 2], how="zero")
    gender = dict(network.module.named_parameters())["fc.gender.weight"].detach().numpy()
    read = np.abs(gender[0] - gender[1])
    size = np.abs(effects).mean(axis=0)
    spread = np.maximum(responses.values, 0).mean(axis=0)
    counts = sum(record.key.startswith("ccp") for record in data.records), sum(record.key.startswith("coco") for record in data.records)
    return Audited(
        audit_responses({LAYER: responses.values}, of, rules), audit_effects({LAYER: effects}, of, rules),
        float(spearmanr(size, read).statistic), float(spearmanr(size, read * spread).statistic), counts,
    )  # fmt: skip
