"""An audit of a whole run: a planted unit answers to one group more than to the other, and to faces only."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dissect.audit.gate import parse
from dissect.config import Config, resolve
from dissect.errors import NotFoundError, NotSupportedError, UsageError
from dissect.pipeline.audit import AuditRequest, audit_files, audit_run
from dissect.pipeline.audit_groups import own_answer
from dissect.pipeline.audit_units import concepts_for
from dissect.pipeline.request import RunRequest
from dissect.pipeline.run import run_request
from dissect.probe.progress import Quiet
from dissect.store import ConceptView, FindingFilter, Store
from tests.pipeline.tiny import DATA, write_data, write_model

IMAGES = 360
ATTRIBUTES = '[attributes]\nfile = "attributes.csv"\nkey = "image"\n'


def faces(folder: Path) -> Path:
    """The tiny set with red squares called faces; half of them, those of group `a`, paler than those of group `b`."""
    card = write_data(folder, IMAGES)
    rows = ["image,group,side,few"]
    for index in range(IMAGES):
        group = "ab"[index // 3 % 2]
        rows.append(f"images/{index:03d}.png,{group},{'lr'[index // 6 % 2]},{'x' if index < 9 else 'y'}")
        if index % 3 == 0 and group == "a":
            path = folder / "images" / f"{index:03d}.png"
            pixels = np.asarray(Image.open(path)).copy()
            pixels[(pixels == (230, 20, 20)).all(axis=2)] = (170 + index % 7, 20, 20)
            Image.fromarray(pixels).save(path)
    (folder / "classes.csv").write_text("id,name\n0,nothing\n1,face\n2,green\n3,blue\n")
    (folder / "attributes.csv").write_text("\n".join(rows) + "\n")
    card.write_text(DATA + ATTRIBUTES)
    return card


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Config]]:
    folder = tmp_path_factory.mktemp("audit")
    config = resolve({"DISSECT_HOME": str(folder / "home")})
    with Store.open(config.database_url) as store:
        request = RunRequest(model=str(write_model(folder)), data=str(faces(folder / "data")))
        run_request(request, config, store, Quiet())
        yield store, config


def test_the_planted_unit_is_found_by_word_mask_and_response_and_no_other(home: tuple[Store, Config]) -> None:
    store, config = home
    request = AuditRequest(("group", "side", "few"), lexicons=("faces",), masks=("face", "skin"))
    outcome = audit_run(store, config, "latest", request, Quiet(), clauses=parse("group effect >= 0.9; side; skin untestable"))
    found = {(each.kind, each.subject, each.unit) for each in outcome.report.findings if each.found}
    assert found >= {("description", "faces", 0), ("mask", "face", 0), ("response", "group", 0)}
    assert {unit for _, _, unit in found} == {0} and not any(subject == "side" for _, subject, _ in found)
    assert [verdict.failed for verdict in outcome.verdicts] == [True, False, True] and outcome.failed
    untested = {each.subject for each in outcome.report.findings if each.state == "not testable"}
    assert untested >= {"few", "skin"}
    assert outcome.page is not None and "face" in outcome.page.read_text()


def test_the_audit_stands_in_the_database_and_again_is_the_same(home: tuple[Store, Config]) -> None:
    store, config = home
    request = AuditRequest(("group",), lexicons=("faces",), masks=("face",))
    first = audit_run(store, config, "latest", request, Quiet(), pages=False)
    again = audit_run(store, config, "latest", request, Quiet(), pages=False)
    assert first.record and again.record and first.record.id == again.record.id and first.page is None
    assert store.audit(first.record.id)[1].as_plain() == again.report.as_plain()
    flagged = store.findings(FindingFilter(audit=first.record.id, unit=0, state="found"))
    assert {each.finding.kind for each in flagged} == {"description", "mask", "response"}


def test_a_run_against_itself_differs_in_nothing(home: tuple[Store, Config]) -> None:
    store, config = home
    outcome = audit_run(store, config, "latest", AuditRequest(("group",), masks=("face",)), Quiet(), against="latest", pages=False)
    assert outcome.report.comparisons and {each.difference for each in outcome.report.comparisons} == {0.0}
    assert {each.kind for each in outcome.report.comparisons} == {"description", "mask", "response"}


def test_redacted_pictures_hold_no_face(home: tuple[Store, Config], tmp_path: Path) -> None:
    store, config = home
    request = AuditRequest(lexicons=("faces",), masks=("face",), redact=True)
    for redacted in (False, True):
        chosen = request if redacted else AuditRequest(lexicons=("faces",), masks=("face",))
        outcome = audit_run(store, config, "latest", chosen, Quiet(), folder=tmp_path / str(redacted))
        assert outcome.page is not None
        pictures = re.findall(r'src="data:image/\w+;base64,([^"]+)"', outcome.page.read_text())
        assert pictures
        for text in pictures:
            pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")).astype(int)
            red = (pixels[..., 0] > 100) & (pixels[..., 1] < 90)
            assert red.any() != redacted and pixels.any()


def test_what_makes_no_sense_is_refused(home: tuple[Store, Config]) -> None:
    store, config = home
    with pytest.raises(UsageError, match="--attribute"):
        audit_run(store, config, "latest", AuditRequest(match=("brightness",)), Quiet())
    with pytest.raises(NotFoundError, match="group"):
        audit_run(store, config, "latest", AuditRequest(("grup",)), Quiet())
    with pytest.raises(NotFoundError, match="brightness"):
        audit_run(store, config, "latest", AuditRequest(("group",), match=("light",)), Quiet())
    with pytest.raises(UsageError, match="no such thing"):
        audit_run(store, config, "latest", AuditRequest(), Quiet(), clauses=parse("grup"))


def test_a_table_is_audited_by_its_words_alone(tmp_path: Path) -> None:
    table = tmp_path / "said.csv"
    table.write_text("layer,unit,summary\nl,0,faces\nl,0,a wall\nl,1,surface\n")
    outcome = audit_files(table, AuditRequest(lexicons=("faces",)), folder=tmp_path / "out", against=table)
    assert (outcome.report.words[0].lemma, outcome.report.comparisons[0].difference) == (1, 0.0)
    assert json.loads((tmp_path / "out" / "audit.json").read_text())["counts"]["found"] == 1
    with pytest.raises(UsageError, match="need a run"):
        audit_files(table, AuditRequest(masks=("face",)))


def test_a_subject_stands_for_its_synonyms_and_all_that_is_narrower() -> None:
    def view(name: str, synonyms: tuple[str, ...] = (), narrower: tuple[str, ...] = ()) -> ConceptView:
        return ConceptView("v", "object", name, synonyms, (), narrower, 0)

    concepts = [view("person", (), ("woman",)), view("woman", (), ("girl",)), view("girl"), view("human-s", ("person",)), view("car")]
    assert concepts_for("person", concepts) == ("girl", "human-s", "person", "woman") and concepts_for("skin", concepts) == ()


def test_an_audit_by_effect_stands_beside_the_one_by_response(home: tuple[Store, Config]) -> None:
    store, config = home
    request = AuditRequest(("group",), lexicons=("faces",), masks=("face",), effect=True)
    report = audit_run(store, config, "latest", request, Quiet(), pages=False).report
    assert {each.kind for each in report.findings if each.subject == "group"} == {"response", "effect"}
    assert {family.name.split(",")[0] for family in report.families} == {"response", "effect"}
    dead = [each for each in report.findings if each.kind == "effect" and each.unit == 3]
    assert dead and not any(each.found for each in dead)


def test_the_effect_is_measured_on_the_answer_of_the_whole_network() -> None:
    outputs = np.log(np.array([[[0.7, 0.3], [0.2, 0.8]], [[0.4, 0.6], [0.5, 0.5]]], np.float32))
    assert own_answer(outputs) == pytest.approx(np.array([[0.7, 0.8], [0.4, 0.5]]), abs=1e-6)
    with pytest.raises(NotSupportedError):
        own_answer(outputs[..., :1])
