"""The main job on a set and a network whose answers are known."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from dissect.config import Config
from dissect.errors import DataError, DissectError, UsageError
from dissect.exchange import report_view, write_report
from dissect.pipeline.open import open_network
from dissect.pipeline.remove import delete_run, prune_cache
from dissect.pipeline.report import default_report_folder, export_run, export_text
from dissect.pipeline.request import RunRequest
from dissect.pipeline.run import RunOutcome, dry_run, run_request
from dissect.pipeline.spec import probe_again
from dissect.probe.progress import Quiet
from dissect.store import Store, UnitFilter
from tests.pipeline.tiny import write_data, write_model


@dataclass
class Desk:
    """A store, a cache and a request, for one test."""

    folder: Path
    config: Config
    store: Store
    request: RunRequest

    def run(self, **changes: object) -> RunOutcome:
        """The request with changes."""
        return run_request(dataclasses.replace(self.request, **changes), self.config, self.store, Quiet())  # type: ignore[arg-type]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    data, model = write_data(tmp_path / "set"), write_model(tmp_path)
    home = tmp_path / "home"
    config = Config(home=home, database_url=f"sqlite:///{home / 'dissect.db'}")
    request = RunRequest(model=str(model), data=str(data), label_size=(32, 32), quantile=0.02)
    with Store.open(config.database_url) as store:
        return Desk(tmp_path, config, store, request)


def test_planted_units_get_their_labels(desk: Desk) -> None:
    outcome = desk.run()
    assert (outcome.run.state, outcome.run.images, outcome.skipped, outcome.repeated) == ("done", 24, 0, False)
    names = {}
    for index in range(4):
        unit = desk.store.unit("tiny", "units", index)
        names[index] = unit.label.text if unit.label else None
        assert unit.stats.state == ("dead" if index == 3 else "ok" if unit.stats.state == "ok" else "saturated")
        assert len(unit.exemplars) == 15
    assert names == {0: "red", 1: "green", 2: "blue", 3: None}
    layer = outcome.layers[0]
    assert (layer.units, layer.detectors, layer.unique, layer.states["dead"]) == (4, 3, 3, 1)
    red = desk.store.unit("tiny", "units", 0)
    assert red.label is not None and red.label.score is not None and red.label.score > 0.3
    assert red.label.intersection is not None and red.label.unit_area is not None and red.label.concept_area is not None
    assert red.label.images == 8 and [concept.images for concept in red.concepts if concept.name == "red"] == [8]
    union = red.label.unit_area + red.label.concept_area - red.label.intersection
    assert red.label.score == pytest.approx(red.label.intersection / union, abs=1e-12)


def test_the_same_request_again_does_nothing(desk: Desk) -> None:
    first = desk.run()
    again = desk.run()
    assert again.repeated and again.forward_images == 0 and again.run.id == first.run.id
    assert len(desk.store.runs()) == 1


CHANGES: list[tuple[dict[str, object], bool]] = [
    ({"quantile": 0.05}, False),
    ({"threshold": 0.1}, False),
    ({"top": 2}, False),
    ({"min_images": 2}, False),
    ({"exemplars": 3}, False),
    ({"label_size": (16, 16)}, False),
    ({"profile": "lite"}, True),
    ({"activation_dtype": "float32"}, True),
    ({"limit": 10}, True),
    ({"colour_naming": True}, True),
]


@pytest.mark.parametrize(("change", "forward"), CHANGES)
def test_another_setting_never_meets_the_old_result(desk: Desk, change: dict[str, object], forward: bool) -> None:
    first = desk.run()
    other = desk.run(**change)
    assert not other.repeated and other.run.id != first.run.id and other.run.fingerprint != first.run.fingerprint
    assert (other.forward_images > 0) == forward
    assert desk.run().run.id == first.run.id


def test_changed_pictures_and_weights_are_noticed_though_names_stay(desk: Desk) -> None:
    first = desk.run()
    path = desk.folder / "set" / "images" / "000.png"
    picture = Image.open(path).convert("RGB")
    picture.putpixel((0, 0), (1, 2, 3))
    picture.save(path)
    second = desk.run()
    assert second.run.fingerprint != first.run.fingerprint and second.forward_images == 24
    mask = desk.folder / "set" / "masks" / "000.png"
    label = Image.open(mask)
    label.putpixel((0, 0), 3)
    label.save(mask)
    assert desk.run().run.fingerprint not in (first.run.fingerprint, second.run.fingerprint)


def test_a_moved_data_set_is_the_same_data_set(desk: Desk) -> None:
    first = desk.run()
    (desk.folder / "set").rename(desk.folder / "moved")
    again = desk.run(data=str(desk.folder / "moved" / "tiny.toml"))
    assert again.repeated and again.run.id == first.run.id


def test_a_bad_picture_among_good_ones_is_skipped_and_told(desk: Desk) -> None:
    (desk.folder / "set" / "images" / "005.png").write_bytes(b"no picture")
    (desk.folder / "set" / "masks" / "006.png").write_bytes(b"")
    outcome = desk.run()
    assert outcome.skipped == 2 and outcome.run.state == "done"
    assert (outcome.run.images, outcome.run.used) == (24, 22) and "22 of 24 images" in outcome.lines()[0]
    assert "22 of 24 images were used" in (export_run(desk.store, desk.config, "latest", "html", None)).read_text(encoding="utf-8")
    told = {item.key: item.reason for item in desk.store.skipped(outcome.run.id)}
    assert sorted(key.rsplit("/", 1)[-1][:3] for key in told) == ["005", "006"]
    assert desk.store.unit("tiny", "units", 0).label is not None


def test_only_bad_pictures_fail_by_name_and_the_run_says_so(desk: Desk) -> None:
    for path in (desk.folder / "set" / "images").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError):
        desk.run()
    failed = desk.store.runs()[0]
    assert failed.state == "failed" and failed.message


def test_a_lost_cache_is_computed_again_and_the_rows_stay(desk: Desk) -> None:
    first = desk.run()
    prune_cache(desk.config, desk.store, 0)
    again = probe_again(desk.store, desk.config, str(first.run.id), Quiet(), 1).result
    assert again.forward_images == 24
    assert desk.run().repeated


def test_probing_again_refuses_changed_content(desk: Desk) -> None:
    first = desk.run()
    (desk.folder / "set" / "masks" / "000.png").write_bytes((desk.folder / "set" / "masks" / "001.png").read_bytes())
    with pytest.raises(DissectError, match="other content"):
        probe_again(desk.store, desk.config, str(first.run.id), Quiet(), 1)


def test_deleting_a_run_frees_only_what_no_other_run_uses(desk: Desk) -> None:
    first, second = desk.run(), desk.run(threshold=0.1)
    assert delete_run(desk.store, desk.config, second.run.id).freed == 0
    assert delete_run(desk.store, desk.config, first.run.id).freed > 0
    assert desk.store.runs() == [] and desk.store.units(UnitFilter()) == []
    assert not list(desk.config.cache.rglob("*.safetensors"))


def test_a_run_takes_its_own_report_along_and_no_other(desk: Desk) -> None:
    first, second = desk.run(), desk.run(threshold=0.1)
    pages = [export_run(desk.store, desk.config, str(found.run.id), "html", None).parent for found in (first, second)]
    write_report(dataclasses.replace(report_view(desk.store, second.run.id), fingerprint="of another database"), pages[1])
    assert delete_run(desk.store, desk.config, first.run.id).report == pages[0] and not pages[0].exists()
    assert delete_run(desk.store, desk.config, second.run.id).report is None and (pages[1] / "index.html").is_file()


def test_a_folder_that_is_no_report_stays(desk: Desk) -> None:
    outcome = desk.run()
    folder = default_report_folder(desk.config, outcome.run)
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(f'{{"kind": "mine", "fingerprint": "{outcome.run.fingerprint}"}}')
    assert delete_run(desk.store, desk.config, outcome.run.id).report is None and (folder / "report.json").is_file()


def test_a_dry_run_says_what_would_happen_and_writes_no_run(desk: Desk) -> None:
    found = dry_run(desk.request, desk.config)
    assert found.images == 24 and found.fits and [each.layer.name for each in found.layers] == ["units"]
    assert desk.store.runs() == []


def test_pictures_without_labels_give_exemplars_only(desk: Desk) -> None:
    card = desk.folder / "pictures.toml"
    card.write_text('name = "plain"\nformat = "pictures"\nroot = "set/images"\nlicence = "MIT"\nsource = "tests"\n')
    outcome = desk.run(data=str(card))
    assert outcome.layers[0].detectors is None
    unit = desk.store.unit("tiny", "units", 0)
    assert unit.label is None and len(unit.exemplars) == 15


def test_image_level_labels_are_scored_by_auroc(desk: Desk) -> None:
    lines = "".join(f"images/{index:03d}.png,{('red', 'green', 'blue')[index % 3]}\n" for index in range(24))
    (desk.folder / "set" / "labels.csv").write_text("file,label\n" + lines)
    card = desk.folder / "set" / "image-level.toml"
    card.write_text(
        'name = "level"\nformat = "image-labels"\nroot = "."\nlicence = "MIT"\nsource = "tests"\n[options]\nfile = "labels.csv"\n'
    )
    desk.run(data=str(card))
    for index, name in enumerate(("red", "green", "blue")):
        label = desk.store.unit("tiny", "units", index).label
        assert label is not None and (label.text, label.score_kind, label.score) == (name, "auroc", 1.0)


@pytest.mark.parametrize("form", ["html", "csv", "jsonl"])
def test_a_run_can_be_exported(desk: Desk, form: str) -> None:
    outcome = desk.run()
    path = export_run(desk.store, desk.config, "latest", form, desk.folder / f"out-{form}")
    assert path.is_file() and "red" in path.read_text(encoding="utf-8")
    assert outcome.run.id == 1
    if form != "html":
        assert export_text(desk.store, "latest", form).encode() == path.read_bytes()


def test_a_request_survives_the_database_and_an_old_one_is_refused() -> None:
    request = RunRequest(model="m", data="d", layers=("a", "b*"), label_size=(3, 4), limit=9)
    assert RunRequest.from_plain(request.as_plain()) == request
    with pytest.raises(UsageError, match="cannot be read"):
        RunRequest.from_plain({"model": "m"})


def test_default_layers_are_the_cards_else_the_last_with_maps(desk: Desk) -> None:
    network = open_network(desk.request, desk.config)
    assert network.default_layers == ("units",)
    bare = dataclasses.replace(desk.request, model="tests.pipeline.tiny:colour_network@random")
    assert open_network(bare, desk.config).default_layers == ()
