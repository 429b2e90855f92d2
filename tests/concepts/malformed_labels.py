"""Malformed label inputs: a tree of every format with three pictures, and ways to damage the labels of the first or the whole set."""

from __future__ import annotations

import copy
import gzip
import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.concepts.label_trees import SIZE, coco, instance, numbers, panoptic, picture, png, square, write_json

NAN, INFINITE = float("nan"), float("inf")


@dataclass(frozen=True)
class Tree:
    """A good tree. target: the label file of its first picture. colour: the target holds RGB."""

    kind: str
    options: str
    target: Path
    colour: bool = False


@dataclass(frozen=True)
class Case:
    """One damage. outcome: `image` (only the first picture is lost), `set` (opening is refused), `any` (read or refused, no traceback)."""

    name: str
    tree: str
    damage: Callable[[Path], None]
    outcome: str
    mention: str


MASK = numbers("1122", "12", "1")


def voc(root: Path) -> Tree:
    for name in "abc":
        picture(root / "JPEGImages" / f"{name}.jpg")
        png(root / "SegmentationClass" / f"{name}.png", MASK, "P")
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "ImageSets/Segmentation/train.txt").write_text("a\nb\nc\n")
    return Tree("voc", 'classes = ["cat", "dog"]\nsplits = ["train"]', root / "SegmentationClass/a.png")


def cityscapes(root: Path) -> Tree:
    for name in "abc":
        picture(root / f"leftImg8bit/train/ulm/ulm_0_{name}_leftImg8bit.png")
        png(root / f"gtFine/train/ulm/ulm_0_{name}_gtFine_labelIds.png", MASK + 23)
    return Tree("cityscapes", "", root / "gtFine/train/ulm/ulm_0_a_gtFine_labelIds.png")


def ade20k(root: Path) -> Tree:
    for name in "abc":
        picture(root / "images" / f"{name}.jpg")
        png(root / "annotations" / f"{name}.png", MASK)
    (root / "objectInfo150.csv").write_text("Idx,Name\n1,wall\n2,sky\n")
    return Tree("ade20k", "", root / "annotations/a.png")


def ade20k_full(root: Path, target: str = "a_seg.png") -> Tree:
    rgb = np.stack([MASK * 0, MASK, MASK], axis=-1)
    for name in "abc":
        picture(root / f"{name}.jpg")
        png(root / f"{name}_seg.png", rgb)
        png(root / f"{name}_parts_1.png", rgb)
    (root / "classes.csv").write_text("name_ndx,name\n1,wall\n2,sky\n")
    return Tree("ade20k-full", 'classes = "classes.csv"', root / target, colour=True)


def ade20k_parts(root: Path) -> Tree:
    return ade20k_full(root, "a_parts_1.png")


def coco_panoptic(root: Path) -> Tree:
    segments = [{"id": 1, "category_id": 1}, {"id": 2, "category_id": 200}]
    panoptic(root, dict.fromkeys((1, 2, 3), segments), {i: MASK.astype(np.int64) for i in (1, 2, 3)})
    return Tree("coco-panoptic", "", root / "panoptic/s1.png", colour=True)


def png_csv(root: Path) -> Tree:
    for name in "abc":
        picture(root / "images" / f"{name}.jpg")
        png(root / "maps" / f"{name}.png", MASK)
    (root / "classes.csv").write_text("id,name\n0,road\n1,wall\n2,sky\n")
    plane = '[[options.planes]]\ncategory = "object"\nlabels = "maps/{name}.png"\nclasses = "classes.csv"'
    return Tree("png-csv", f'images = "images/{{name}}.jpg"\n{plane}', root / "maps/a.png")


def broden(root: Path) -> Tree:
    rows = ["image,split,ih,iw,sh,sw,object"]
    for name in "abc":
        picture(root / "images" / f"{name}.jpg")
        png(root / "images" / f"{name}_object.png", np.stack([MASK, MASK * 0, MASK * 0], axis=-1))
        rows.append(f"{name}.jpg,train,6,8,6,8,{name}_object.png")
    (root / "index.csv").write_text("\n".join(rows) + "\n")
    (root / "label.csv").write_text("number,name,category,frequency,coverage,syns\n1,wall,object(3),3,1.0,\n2,sky,object(3),3,1.0,\n")
    (root / "category.csv").write_text("name,first,last,count,frequency\nobject,1,2,2,6\n")
    (root / "c_object.csv").write_text("code,number,name,frequency,coverage\n1,1,wall,3,1.0\n2,2,sky,3,1.0\n")
    return Tree("broden", "", root / "images/a_object.png", colour=True)


def coco_instances(root: Path) -> Tree:
    people = [{"id": 10 + i, "image_id": i, "category_id": 1, "keypoints": [3, 3, 2], "bbox": [0, 0, 4, 4]} for i in (1, 2, 3)]
    target = coco(root, [instance(i, i, 1, [square(0, 0)]) for i in (1, 2, 3)], images=3)
    images = json.loads(target.read_text())["images"]
    category = {"id": 1, "name": "person", "keypoints": ["nose"]}
    write_json(root / "people.json", {"images": images, "annotations": people, "categories": [category]})
    return Tree("coco", 'keypoints = "people.json"', target)


TREES: dict[str, Callable[[Path], Tree]] = {
    function.__name__: function
    for function in (voc, cityscapes, ade20k, ade20k_full, ade20k_parts, coco_panoptic, png_csv, broden, coco_instances)
}
MASKED = tuple(name for name in TREES if name != "coco_instances")


def encoded(array: NDArray[Any], kind: str = "PNG", **save: Any) -> bytes:
    """A picture file."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **save)
    return buffer.getvalue()


def header(width: int, height: int, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG that states a size and holds next to nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


def replaced(target: str, data: bytes) -> Callable[[Path], None]:
    """Damage: other bytes in a file, named from the root."""

    def damage(root: Path) -> None:
        (root / target).write_bytes(data)

    return damage


def mask_cases(name: str, good: Path, root: Path, colour: bool) -> Iterator[Case]:
    """Damages of one label PNG; `good` is the undamaged file below `root`."""
    data, target = good.read_bytes(), good.relative_to(root).as_posix()

    def case(title: str, content: bytes, outcome: str = "image", mention: str = good.name) -> Case:
        return Case(f"{name}: {title}", name, replaced(target, content), outcome, mention)

    for cut in sorted({0, 1, 7, 8, 16, 24, 33, 37, len(data) // 2, len(data) * 3 // 4, len(data) - 20, len(data) - 13}):
        yield case(f"cut after {cut}", data[:cut], "image" if cut < len(data) - 30 else "any")
    for bit in range(0, 8 * len(data), max(8 * len(data) // 16, 1)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        yield case(f"bit {bit}", bytes(flipped), "any")

    def drawn(height: int, width: int, value: int = 0) -> NDArray[np.uint8]:
        return np.full((height, width, 3) if colour else (height, width), value, dtype=np.uint8)

    for height, width in ((6, 40), (40, 6), (3, 60)):
        yield case(f"{width} x {height}", encoded(drawn(height, width)), mention=f"{good.name}|the label map of ")
    yield case("unknown number everywhere", encoded(drawn(*SIZE, 203)))
    one = drawn(*SIZE)
    one[5, 7] = 203
    yield case("unknown number at one pixel", encoded(one))
    yield case("16 bit", encoded(np.full(SIZE, 60_000, dtype=np.uint16)))
    if not colour:
        yield case("colours", encoded(np.full((*SIZE, 3), 77, dtype=np.uint8)))
    else:
        yield case("grey", encoded(MASK), "any" if name == "broden" else "image")  # Broden: green 0, all numbers below 256
    yield case("JPEG", encoded(drawn(*SIZE), "JPEG"))
    yield case("lossy WebP", encoded(np.repeat(one[..., None], 3, axis=2) if one.ndim == 2 else one, "WEBP", quality=20))
    yield case("animation", encoded(drawn(*SIZE), "PNG", save_all=True, append_images=[Image.fromarray(drawn(*SIZE, 9))]))
    yield case("animated GIF", encoded(drawn(*SIZE), "GIF", save_all=True, append_images=[Image.fromarray(drawn(*SIZE, 9))]))
    yield case("transparency", encoded(np.full((*SIZE, 4), 1, dtype=np.uint8)))
    yield case("floats", encoded(np.full(SIZE, NAN, dtype=np.float32), "TIFF"))
    yield case("CMYK", _cmyk())
    yield case("bomb", header(30_000, 30_000))
    yield case("no width", header(0, 6))
    yield case("header of another size", header(8, 4000))
    yield case("impossible depth", header(8, 6, 7, 5))
    yield case("text", b"these are not pixels\n")
    yield case("page", b"<!DOCTYPE html><html><body>404 Not Found</body></html>")
    yield case("zeros", b"\0" * 500)
    yield case("compressed twice", gzip.compress(data))
    yield case("trailing bytes", data + b"junk" * 20, "any")
    for title, damage in (("missing", _missing(target)), ("folder", _folder(target)), ("link to itself", _loop(target))):
        parts = name == "ade20k_parts" and title != "link to itself"  # without a file of parts, no parts are annotated
        yield Case(f"{name}: {title}", name, damage, "any" if parts else "image", good.name)


def _cmyk() -> bytes:
    buffer = io.BytesIO()
    Image.new("CMYK", SIZE[::-1]).save(buffer, "TIFF")
    return buffer.getvalue()


def _missing(target: str) -> Callable[[Path], None]:
    return lambda root: (root / target).unlink()


def _folder(target: str) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        (root / target).unlink()
        (root / target).mkdir()

    return damage


def _loop(target: str) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        (root / target).unlink()
        (root / target).symlink_to(root / target)

    return damage


POLYGONS: tuple[object, ...] = (
    [], [[]], [[1, 1]], [[1, 1, 2, 2]], [[1, 1, 2, 2, 3]], [[1, 1, 2, 2, 3, NAN]], [[1, 1, 2, 2, 3, INFINITE]], [[1, 1, 2, 2, -INFINITE,
    3]],
    [[1e300, 1, 2, 2, 3, 3]], [[1, 1, 2, 2, 3, 1e308]], [[10**400, 1, 2, 2, 3, 3]], [[-900, 1, 2, 2, 3, 3]], [[1, 1, "2", 2, 3, 3]],
    [[1, 1, None, 2, 3, 3]], [[1, 1, True, 2, 3, 3]], [[1, 1, [2], 2, 3, 3]], [[[1, 1], [2, 2], [3, 3]]], [1, 1, 2, 2, 3, 3],
    ["1,1,2,2,3,3"],
    "1,1,2,2,3,3", 7, None, True, [None], [{}], [square(0, 0), []], [square(0, 0), [1, 2]], [square(0, 0), None],
)  # fmt: skip
RUNS: tuple[object, ...] = (
    [48, 1], [49], [10**15], [47], [], [-1, 49], [1.5, 46.5], ["48"], [None], [True, 47], [NAN], [INFINITE], [[48]], "", "~~~", "o",
    "ooooooooo0", "O",
    "é1", "\x00", "48", None, 48, {"a": 1}, "1" * 300, [0] * 300,
)  # fmt: skip
SIZES: tuple[object, ...] = (
    [8, 6], [6], [6, 8, 1], [6.0, 8], ["6", "8"], [0, 0], [-6, -8], [10**9, 10**9], None, "6x8", [None, None], [3, 4],
)  # fmt: skip
FIELDS: tuple[tuple[str, object], ...] = (
    ("category_id", 5), ("category_id", "1"), ("category_id", None), ("category_id", 1.0), ("category_id", -1), ("category_id", [1]),
    ("category_id", 10**30), ("iscrowd", 2), ("iscrowd", "no"), ("iscrowd", None), ("iscrowd", [0]), ("iscrowd", NAN),
)  # fmt: skip


def outline_cases() -> Iterator[Case]:
    """Damages of the first picture's annotation in a file of instances."""

    def changed(key: str, value: object) -> Callable[[Path], None]:
        def damage(root: Path) -> None:
            content = json.loads((root / "instances.json").read_text())
            content["annotations"][0][key] = value
            write_json(root / "instances.json", content)

        return damage

    found: list[tuple[str, object]] = [("segmentation", value) for value in POLYGONS]
    found += [("segmentation", {"counts": counts, "size": [6, 8]}) for counts in RUNS]
    found += [("segmentation", {"counts": [48], "size": size}) for size in SIZES]
    found += [("segmentation", {}), ("segmentation", {"counts": [48]}), ("segmentation", {"size": [6, 8]}), *FIELDS]
    for key, value in found:
        yield Case(f"coco: {key} = {str(value)[:60]}", "coco_instances", changed(key, value), "image", "instances.json")
    yield Case("coco: one id twice", "coco_instances", _repeated("instances.json"), "image", "instances.json")
    yield Case("keypoints: one id twice", "coco_instances", _repeated("people.json"), "image", "people.json")


def person_cases() -> Iterator[Case]:
    """Damages of the first person's keypoints."""
    changes: tuple[tuple[str, object], ...] = (
        ("keypoints", []), ("keypoints", [3, 3]), ("keypoints", [3, 3, 5]), ("keypoints", [3, 3, "2"]), ("keypoints", None),
        ("keypoints", [3, NAN, 2]), ("keypoints", [3, 1e300, 2]), ("keypoints", [3, 10**400, 2]), ("keypoints", "3,3,2"),
        ("keypoints", [3, 3, 2] * 2),
        ("bbox", None), ("bbox", [0, 0, 4]), ("bbox", [0, 0, -4, 4]), ("bbox", [0, 0, NAN, 4]), ("bbox", [0, 0, 1e200, 1e200]),
        ("bbox", "0,0,4,4"),
        ("category_id", 4), ("category_id", None), ("category_id", [1]),
    )  # fmt: skip
    for key, value in changes:

        def damage(root: Path, key: str = key, value: object = value) -> None:
            content = json.loads((root / "people.json").read_text())
            content["annotations"][0][key] = value
            write_json(root / "people.json", content)

        yield Case(f"keypoints: {key} = {str(value)[:60]}", "coco_instances", damage, "image", "people.json")


def json_cases() -> Iterator[Case]:
    """Damages of a whole annotation file, of instances and of panoptic segments."""
    texts = {
        "empty": b"", "text": b"hello", "open bracket": b"{", "number": b"3", "list": b"[]", "null": b"null", "string": b'"x"',
        "object": b"{}",
        "deep": b"[" * 100_000, "long number": b'{"images": ' + b"9" * 9000 + b"}", "UTF-16": '{"images": []}'.encode("utf-16"),
        "bytes": bytes(range(256)), "two documents": b"{}{}", "gzip": gzip.compress(b"{}"),
        "lists of nothing": b'{"images":[],"categories":[]}',
    }  # fmt: skip
    changes: tuple[tuple[str, object], ...] = (
        ("images", None), ("images", {}), ("images", [3]), ("images", [{}]), ("images", "x"), ("categories", None), ("categories", [None]),
        ("categories", [{"id": "1", "name": "x"}]), ("categories", [{"id": 1}]), ("categories", [{"id": 1, "name": " "}]),
        ("categories", []),
        ("categories", [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]), ("categories", [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]),
        ("annotations", None), ("annotations", {}), ("annotations", [None]), ("annotations", [[]]), ("annotations", ["x"]),
        ("annotations", [{}]),
        ("annotations", [{"image_id": 99}]), ("annotations", [{"image_id": None}]), ("annotations", [{"image_id": [1]}]),
        ("annotations", [{"image_id": True}]), ("annotations", [{"image_id": "1"}]), ("annotations", [{"image_id": NAN}]),
    )  # fmt: skip
    pictures: tuple[tuple[str, object], ...] = (
        ("id", None), ("id", 2), ("id", [1]), ("id", True), ("file_name", None), ("file_name", ""), ("file_name", "../a1.png"),
        ("file_name", "/etc/x"),
        ("file_name", "a2.png"), ("file_name", "a\0b"), ("file_name", "..\\x"), ("file_name", 3),
    )  # fmt: skip
    for tree, name in (("coco_instances", "instances.json"), ("coco_panoptic", "panoptic.json")):
        for title, data in texts.items():
            yield Case(f"{tree}: {title}", tree, replaced(name, data), "set", name)
        for key, value in changes:
            yield Case(f"{tree}: {key} = {str(value)[:50]}", tree, _changed(name, [key], value), "set", name)
        for key, value in pictures:
            yield Case(f"{tree}: picture's {key} = {value!r}", tree, _changed(name, ["images", 0, key], value), "set", name)
        for title in ("missing", "folder"):
            yield Case(f"{tree}: {title}", tree, _missing(name) if title == "missing" else _folder(name), "set", name)
    for key, value in (("height", None), ("height", 0), ("width", -8), ("width", "8"), ("width", 8.0), ("height", 10**9), ("width", 100)):
        mention = "a1.png" if value == 100 else "instances.json"
        yield Case(f"size: {key} = {value}", "coco_instances", _changed("instances.json", ["images", 0, key], value), "image", mention)
    segments: tuple[object, ...] = (
        None, 3, [3], [], [{}], [{"id": 1}], [{"id": "1", "category_id": 1}], [{"id": 1, "category_id": 9}], [{"id": 0, "category_id": 1}],
        [{"id": 1 << 24, "category_id": 1}], [{"id": 1, "category_id": 1}], [{"id": NAN, "category_id": 1}], [{"id": 1,
        "category_id": [1]}],
        [{"id": 1, "category_id": 1}] * 2,
    )  # fmt: skip
    for value in segments:
        damage = _changed("panoptic.json", ["annotations", 0, "segments_info"], value)
        yield Case(f"segments: {str(value)[:60]}", "coco_panoptic", damage, "image", "s1.png|panoptic.json")


def _repeated(name: str) -> Callable[[Path], None]:
    """Damage: the first annotation of a JSON file stands there twice."""

    def damage(root: Path) -> None:
        content = json.loads((root / name).read_text())
        content["annotations"].append(content["annotations"][0])
        write_json(root / name, content)

    return damage


def _changed(name: str, way: list[str | int], value: object) -> Callable[[Path], None]:
    """Damage: another value inside a JSON file."""

    def damage(root: Path) -> None:
        content = json.loads((root / name).read_text())
        inner = content
        for step in way[:-1]:
            inner = inner[step]
        inner[way[-1]] = copy.deepcopy(value)
        write_json(root / name, content)

    return damage


def all_cases(scratch: Path) -> list[Case]:
    """Every case. `scratch` is an empty folder for the good trees."""
    cases = [*outline_cases(), *person_cases(), *json_cases()]
    for name in MASKED:
        tree = TREES[name](scratch / name)
        cases += mask_cases(name, tree.target, scratch / name, tree.colour)
    return cases
