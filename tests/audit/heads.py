"""Head crops of real photographs, and the age and gender network audited on them.

Clothing Co-Parsing gives heads (the box of hair, with the skin below it) and clothes; COCO gives heads (from eyes, ears and nose) and the
words that people used for them in captions. Nobody's sex is annotated, and none is guessed: clothes and words are what they are.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
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
from dissect.concepts.images import open_image
from dissect.concepts.model import ImageRecord, Labels, Vocabulary
from dissect.fingerprint import fingerprint
from dissect.network.load import load_network
from dissect.network.loaded import LoadedNetwork
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
    """n crops, U units of the layer, K of them switched off in turn.

    response, effect: the audits. effects (n, K): fall of the gender logit. units (K,): which. pooled (n, U): what the read-out sees, the
    mean over places after the ReLU. weights (U,): of the gender logit. female (n,): which crops the network calls female.
    clothes: name -> (n,) "yes", "no", or "" where not known. heads: how many crops of either set.
    """

    response: Selectivity
    effect: Selectivity
    effects: NDArray[np.float32]
    units: NDArray[np.int64]
    pooled: NDArray[np.float32]
    weights: NDArray[np.float32]
    female: NDArray[np.bool_]
    clothes: Mapping[str, NDArray[np.str_]]
    heads: tuple[int, int]

    @property
    def live(self) -> NDArray[np.bool_]:
        """(K,) units that fire on any crop, before they are switched off."""
        return np.asarray((self.pooled[:, self.units] > 0).any(axis=0))

    @property
    def size(self) -> NDArray[np.float64]:
        """(K,) mean size of the effect of switching a unit off."""
        return np.asarray(np.abs(self.effects.astype(np.float64)).mean(axis=0))

    @property
    def exact(self) -> NDArray[np.float64]:
        """(n, K) the same effects from the read-out's own formula: it is linear, so a unit at zero takes its mean times its weight away."""
        return self.pooled[:, self.units].astype(np.float64) * self.weights[self.units]

    def rank(self, chosen: NDArray[np.bool_] | None = None) -> float:
        """Spearman between mean size of effect and size of the weight that reads the unit. chosen (K,): among these units, else all."""
        among = np.ones(len(self.units), np.bool_) if chosen is None else chosen
        return float(spearmanr(self.size[among], np.abs(self.weights[self.units])[among]).statistic)

    def rank_by_spread(self, chosen: NDArray[np.bool_]) -> float:
        """The same with the weight times the standard deviation of what it reads."""
        spread = self.pooled[:, self.units].std(axis=0) * np.abs(self.weights[self.units])
        return float(spearmanr(self.size[chosen], spread[chosen]).statistic)

    def called(self, name: str, value: str = "yes") -> tuple[float, int]:
        """Share of the crops with this attribute that the network calls female, and how many there are."""
        chosen = self.clothes[name] == value
        return float(self.female[chosen].mean()), int(chosen.sum())


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


def audited(shared: Path, folder: Path, *, units: Sequence[int] | None = None) -> Audited:
    """Both audits of the last convolution, with what the network's own read-out says. units: those switched off, None for all."""
    data = heads(shared, folder / "heads")
    weights = shared / "models" / "age_gender_tiny_xception.safetensors"
    network = load_network(NetworkSpec("tests.factories:age_gender", weights=weights, preprocessing=FACE, geometry="model"))
    layer = network.layers((LAYER,))[0]
    result = probe(network, data, ProbeSettings(layers=(LAYER,), thumbnails=False), Cache(folder / "cache"), MemoryLedger(), Quiet())
    responses = unit_responses(result, LAYER, data.vocabulary)
    of = subjects(data.records, result.image_index, responses.present, brightness(data.records, result.image_index, workers=2))
    rules = Rules(confounders=("brightness", "contrast"), bootstrap=200, draws=20_000)
    # The layer's ReLU is a plain function behind it: zero before it is zero after it.
    effects = unit_effects(network, layer, data.records, result.image_index, _gender, how="zero", units=units)
    pooled, outputs = _read(network, data.records, result.image_index)
    gender = dict(network.module.named_parameters())["fc.gender.weight"].detach().numpy()
    counts = sum(record.key.startswith("ccp") for record in data.records), sum(record.key.startswith("coco") for record in data.records)
    return Audited(
        audit_responses({LAYER: responses.values}, of, rules), audit_effects({LAYER: effects}, of, rules), effects,
        np.arange(layer.units) if units is None else np.array(units), pooled, gender[0] - gender[1], _gender(outputs) < 0,
        {name: of.column(name) for name in CLOTHES}, counts,
    )  # fmt: skip


def _gender(outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logit of male less that of female, from (..., 3) age and the two."""
    return outputs[..., 1] - outputs[..., 2]


def _read(
    network: LoadedNetwork, records: Sequence[ImageRecord], index: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the gender read-out is given (n, U), and what the network says (n, 3), picture by picture."""
    seen, said = [], []
    for number in index.tolist():
        with open_image(records[number].path) as image:
            batch = network.prepare(image)[None]
        said.append(network.hooked(batch, before={"fc.gender": lambda _module, given: seen.append(given[0].numpy().copy())}, after={}))
    return np.concatenate(seen), np.concatenate([each.numpy() for each in said])
