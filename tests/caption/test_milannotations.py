"""The layout of MILANNOTATIONS: what is written comes back, features are those of the exemplars, and broken files are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dissect.caption.features import FeatureRecipe, pooled
from dissect.caption.milannotations import (
    layer_keys,
    layer_names,
    read_annotations,
    read_layer,
    write_annotations,
    write_layer,
)
from dissect.errors import DataError, NotFoundError, ShapeError, UsageError
from tests.network.nets import loaded

U, K, H, W = 4, 3, 16, 16
IDS = np.array([[5, 2, 9], [2, 7, -1], [-1, -1, -1], [9, 5, 2]])


def pictures() -> dict[int, np.ndarray]:
    random = np.random.default_rng(0)
    return {number: random.integers(0, 256, (H, W, 3), np.uint8) for number in (2, 5, 7, 9, -1)}


def masks() -> np.ndarray:
    found = np.random.default_rng(1).random((U, K, H, W)) < 0.2
    found[3, 1] = False
    return found


def unit(place: int) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([pictures()[number] for number in IDS[place].tolist()]), masks()[place]


def written(folder: Path, **more: object) -> Path:
    write_layer(folder, "layer4", unit, IDS, (H, W), **more)  # type: ignore[arg-type]
    return folder


def test_a_layer_comes_back_and_lies_on_disk_as_published(tmp_path: Path) -> None:
    activations = np.random.default_rng(2).random((U, K))
    written(tmp_path, activations=activations, units=np.array([3, 4, 10, 200]))
    assert layer_names(tmp_path) == ("layer4",)
    images, mask = (np.load(tmp_path / "layer4" / name) for name in ("images.npy", "masks.npy"))
    assert (images.shape, images.dtype, mask.shape, mask.dtype) == ((U, K, 3, H, W), np.uint8, (U, K, 1, H, W), np.uint8)
    assert np.array_equal(images[0, 1], pictures()[2].transpose(2, 0, 1)) and set(np.unique(mask)) == {0, 1}
    assert (tmp_path / "layer4" / "ids.csv").read_text() == "5,2,9\n2,7,-1\n-1,-1,-1\n9,5,2\n"
    found = read_layer(tmp_path, "layer4")
    assert np.array_equal(found.ids, IDS) and found.units.tolist() == [3, 4, 10, 200]
    assert found.activations is not None and np.allclose(found.activations, activations, rtol=1e-5)
    there = IDS >= 0
    assert np.array_equal(found.masks[:, :, 0] > 0, masks() & there[:, :, None, None])
    assert not found.images[~there].any()
    assert np.array_equal(np.asarray(found.picture(1 * K + 1)), pictures()[7])


def test_units_are_counted_from_0_where_no_file_says_otherwise(tmp_path: Path) -> None:
    found = read_layer(written(tmp_path), "layer4")
    assert found.units.tolist() == [0, 1, 2, 3] and found.activations is None


def test_keys_of_a_layer_are_those_of_its_exemplars(tmp_path: Path) -> None:
    network, recipe, told = loaded("plain"), FeatureRecipe("mine", "plain", ("0", "4")), list[int]()
    found = layer_keys(network, recipe, read_layer(written(tmp_path), "layer4"), advance=told.append)
    assert sum(told) == 4  # four different images
    assert found.values.shape == (U, K, 13)
    expected = IDS >= 0
    expected[3, 1] = False  # an empty mask
    assert np.array_equal(found.present, expected)
    layer = read_layer(tmp_path, "layer4")
    for u, k in np.argwhere(expected).tolist():
        alone = pooled(network, recipe, [layer.picture(u * K + k)], masks()[u, k][None], [0])
        assert np.allclose(found.values[u, k], alone.values[0], atol=1e-6)


def save(name: str, array: np.ndarray) -> Callable[[Path], None]:
    return lambda inside: np.save(inside / name, array)


def text(name: str, content: str) -> Callable[[Path], object]:
    return lambda inside: (inside / name).write_text(content)


def shortened(inside: Path) -> None:
    data = (inside / "images.npy").read_bytes()
    (inside / "images.npy").write_bytes(data[:-10])


BROKEN: list[tuple[Callable[[Path], object], str]] = [
    (save("images.npy", np.zeros((U, K, 3, H, W))), "images.npy is float64"),
    (save("images.npy", np.zeros((U, K, 1, H, W), np.uint8)), r"\(U, k, 3, H, W\)"),
    (save("images.npy", np.zeros((3, H, W), np.uint8)), "no array of 5 dimensions"),
    (save("masks.npy", np.zeros((U, K, 1, H, W + 1), np.uint8)), "are needed"),
    (save("masks.npy", np.array([{}], dtype=object)), "no array, or damaged"),
    (shortened, "damaged"),
    (text("images.npy", ""), "damaged"),
    (text("images.npy", "hello"), "damaged"),
    (text("ids.csv", "1,2\n"), "has not 4 lines of 3"),
    (text("ids.csv", "a,b,c\n" * 4), "no table of numbers"),
    (text("ids.csv", "1,2,3.5\n" * 4), "whole numbers"),
    (text("ids.csv", "1,2,nan\n" * 4), "whole numbers"),
    (save("units.npy", np.array([0, 1, 2, 2])), "does not number 4 units"),
    (save("units.npy", np.array([0, 1])), "does not number 4 units"),
]


@pytest.mark.parametrize(("damage", "message"), BROKEN)
def test_broken_exemplars_are_refused_in_words(damage: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    written(tmp_path)
    damage(tmp_path / "layer4")
    with pytest.raises(DataError, match=message):
        read_layer(tmp_path, "layer4")


def test_annotations_come_back_in_order(tmp_path: Path) -> None:
    units = [("layer4", 2), ("conv1", 10), ("conv1", 9)]
    texts = [['a "red" car', "cars, red", "x"], ["a", "b", "c"], ["line\nbreak", "é", "z"]]
    write_annotations(tmp_path / "annotations.csv", units, texts)
    found = read_annotations(tmp_path, each=3)
    assert found.units == (("conv1", 9), ("conv1", 10), ("layer4", 2)) and found.layers == ("conv1", "layer4")
    assert found.texts == tuple(tuple(texts[place]) for place in (2, 1, 0)) and len(found) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no column layer"),
        (b"layer,unit,text\n", "no column summary"),
        (b"layer,unit,summary\n", "holds no description"),
        (b"layer,unit,summary\na,1,x\na,one,y\n", "line 3: a layer, a unit's number"),
        (b"layer,unit,summary\na,-1,y\n", "line 2"),
        (b"layer,unit,summary\na,1,  \n", "line 2"),
        (b"layer,unit,summary\na,1\n", "line 2: the row has not as many cells"),
        (b"layer,unit,summary\na,1,x,y\n", "line 2: the row has not as many cells"),
        (b'layer,unit,summary\na,1,"x\n', "cannot be read as CSV"),
        (b"layer,unit,summary\na,1,\xff\n", "not UTF-8 text"),
        (b"layer,unit,summary\na,1,x\na,1,y\n", "unit 1 of a has 2 descriptions, not 3"),
    ],
)
def test_broken_annotations_are_refused_in_words(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "annotations.csv"
    file.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_annotations(file, each=3)


def test_wrong_calls_are_refused(tmp_path: Path) -> None:
    for name in ("../x", "", "..", "a/b"):
        with pytest.raises(UsageError, match="name of a folder"):
            write_layer(tmp_path, name, unit, IDS, (H, W))
    with pytest.raises(ShapeError, match="exemplars of shape"):
        write_layer(tmp_path, "x", unit, IDS, (H, W + 1))
    assert not list(tmp_path.rglob("*.npy")) and not list(tmp_path.rglob("*.tmp"))
    with pytest.raises(ShapeError, match="another number"):
        write_layer(tmp_path, "x", unit, IDS, (H, W), units=np.arange(3))
    with pytest.raises(ShapeError, match="2 units, but texts of 1"):
        write_annotations(tmp_path / "a.csv", [("a", 1), ("a", 2)], [["x"]])
    with pytest.raises(NotFoundError, match="no annotations file"):
        read_annotations(tmp_path)
    with pytest.raises(NotFoundError, match=r"there is no .*images\.npy"):
        read_layer(tmp_path, "x")
    with pytest.raises(NotFoundError, match="no folder"):
        layer_names(tmp_path / "none")
    with pytest.raises(DataError, match="holds no <layer>"):
        layer_names(tmp_path)
