"""How many labels of a real network survive on real photographs."""

from __future__ import annotations

from pathlib import Path

import pytest

from dissect.pipeline.verify_request import VerifyRequest
from tests.pipeline.real import Desk, Verified, opened

pytestmark = [pytest.mark.shared, pytest.mark.slow]

TESTS = VerifyRequest(permutations=200, resamples=200, rotations=0)


@pytest.fixture(scope="module")
def desk(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return opened(shared, tmp_path_factory.mktemp("verified"))


@pytest.fixture(scope="module")
def drives(desk: Desk) -> Verified:
    """CamVid, whose frames come from four drives."""
    return desk.verified("camvid", TESTS)


@pytest.fixture(scope="module")
def people(desk: Desk) -> Verified:
    """Clothing Co-Parsing, one person a picture."""
    return desk.verified("clothing-coparsing", TESTS)


@pytest.mark.parametrize("name", ["drives", "people"])
def test_counts_are_those_of_the_labels(name: str, request: pytest.FixtureRequest) -> None:
    found: Verified = request.getfixturevalue(name)
    facts = found.facts
    assert (facts["labels"], facts["significant"]) == (len(found.labels), len(found.told))
    assert (facts["detectors"], facts["survivors"]) == (len(found.detectors), len(found.survivors))
    assert facts["held_out_above"] == len(found.held) and facts["agree"] == len(found.agreed)


def test_drives_are_shifted_whole_and_never_split(drives: Verified) -> None:
    assert drives.images == 701 and "701 frames are shifted in a circle within 4 sequences" in str(drives.facts["blocks"])
    assert drives.facts["intervals"] == 0, "four drives are too few for an interval"


def test_most_detectors_of_cars_hold_on_other_drives_and_few_others_do(drives: Verified) -> None:
    """All detectors are told from chance; the rarer the class, the more it is of one drive."""
    assert 30 <= len(drives.detectors) <= 50 and drives.detectors <= drives.told
    names, before = drives.names(drives.survivors), drives.names(drives.detectors)
    assert names["Car"] >= 0.8 * before["Car"] and names.total() - names["Car"] <= 0.6 * (before.total() - before["Car"])
    assert not {"Road", "Building", "Sky"} & set(names)


def test_half_of_the_detectors_of_clothes_may_be_chance_or_do_not_last(people: Verified) -> None:
    """300 pictures and 50 rare garments: single pictures make high scores."""
    assert people.images == 300 and "300 images exchange labels" in str(people.facts["blocks"])
    assert 0.3 * len(people.detectors) < len(people.survivors) < 0.6 * len(people.detectors)
    names = people.names(people.survivors)
    assert names.most_common(1)[0][0] == "hair" and names["stockings"] >= 3
    assert 20 < len(people.told) < 120 and people.facts["optimism_median"] > 0.005
