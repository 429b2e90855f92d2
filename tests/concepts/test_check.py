"""The check of a whole set: all faults at once, counts over what is good."""

from __future__ import annotations

from pathlib import Path

import pytest

from dissect.concepts.card import load_card
from dissect.concepts.check import check
from tests.concepts.cards import card_for, write_broden_plane, write_map, write_picture, write_texts
from tests.concepts.test_broden import make as make_broden

OPTIONS = """
[options]
images = "{name}.jpg"
[[options.planes]]
category = "object"
labels = "{name}_mask.png"
classes = "classes.csv"
drop = [0]
"""


def make(folder: Path, count: int = 6) -> Path:
    write_texts(folder, {"classes.csv": "id,name\n0,none\n1,car\n2,sky\n"})
    for number in range(count):
        write_picture(folder / f"{number}.jpg", number)
        write_map(folder / f"{number}_mask.png", [[1, 1, 2, 0, 0, 0]] * 4 if number % 2 else [[2, 0, 0, 0, 0, 0]] * 4)
    return folder


def test_a_good_set_is_clean_and_counted(tmp_path: Path) -> None:
    report = check(card_for(make(tmp_path), "png-csv", OPTIONS))
    assert report.clean and (report.images, report.good) == (6, 6)
    assert [(c.name, c.category, c.images, c.pixels) for c in report.concepts] == [("car", "object", 3, 24), ("sky", "object", 6, 24)]
    assert report.categories == {"object": 6} and report.content_hash is not None


def test_every_fault_is_reported_with_file_fault_and_remedy(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "0.jpg").write_bytes(b"")
    (tmp_path / "1_mask.png").unlink()
    write_map(tmp_path / "2_mask.png", [[77] * 6] * 4)
    write_map(tmp_path / "3_mask.png", [[1] * 3] * 9)
    (tmp_path / "4_mask.png").write_bytes((tmp_path / "4_mask.png").read_bytes()[:45])
    report = check(card_for(tmp_path, "png-csv", OPTIONS))
    assert (report.images, report.good) == (6, 1) and not report.clean
    assert [fault.where for fault in report.faults] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    for fault, words in zip(report.faults, ("0 bytes", "there is no", "77", "3x9", "damaged"), strict=True):
        assert words in fault.what and fault.remedy.endswith("."), fault
    assert [(c.images, c.pixels) for c in report.concepts] == [(1, 8), (1, 4)]


def test_a_picture_that_decodes_badly_is_found_though_its_header_is_good(tmp_path: Path) -> None:
    make(tmp_path)
    data = (tmp_path / "5.jpg").read_bytes()
    (tmp_path / "5.jpg").write_bytes(data[: len(data) - 30])
    report = check(card_for(tmp_path, "png-csv", OPTIONS))
    assert [fault.where for fault in report.faults] == ["5.jpg"] and report.good == 5


def test_a_set_that_cannot_be_opened_is_one_fault(tmp_path: Path) -> None:
    report = check(card_for(tmp_path, "png-csv", OPTIONS))
    assert (report.images, len(report.faults)) == (0, 1) and "classes.csv" in report.faults[0].what


def test_the_cards_hash_is_compared_with_the_whole_set(tmp_path: Path) -> None:
    right = check(card_for(make(tmp_path), "png-csv", OPTIONS)).content_hash
    assert check(card_for(tmp_path, "png-csv", f'sha256 = "{right}"\n{OPTIONS}')).clean
    wrong = check(card_for(tmp_path, "png-csv", f'sha256 = "{"0" * 64}"\n{OPTIONS}'))
    assert len(wrong.faults) == 1 and str(right) in wrong.faults[0].what and wrong.faults[0].where.endswith("tiny.toml")


def test_progress_is_told_for_every_image(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    check(card_for(make(tmp_path), "png-csv", OPTIONS), limit=3, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_whole_image_labels_count_and_the_label_zero_does_not(tmp_path: Path) -> None:
    report = check(card_for(make_broden(tmp_path), "broden"))
    counts = {concept.name: (concept.images, concept.pixels) for concept in report.concepts}
    assert counts["striped"] == (1, 0) and counts["street-s"] == (1, 0) and counts["car"] == (1, 8)
    assert report.categories == {"object": 1, "part": 1, "scene": 2, "material": 1, "texture": 1}
    write_broden_plane(tmp_path / "images/ade/a_m.png", [[999]])
    assert len(check(card_for(tmp_path, "broden")).faults) == 1


@pytest.mark.shared
def test_the_shared_sets_are_clean(shared: Path) -> None:
    for name in ("camvid", "clothing-coparsing"):
        report = check(load_card(name, data_root=shared / "data"), limit=25)
        assert report.clean and report.good == 25
