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
    assert (facts["labels"], facts["significant"], facts["survivors"]) == (len(found.labels), len(found.told), len(found.survivors))
    assert facts["held_out_above"] == len(found.held) and facts["agree"] == len(found.agreed)


def test_drives_are_shifted_whole_and_never_split(drives: Verified) -> None:
    assert drives.images == 701 and "701 frames are shifted in a circle within 4 sequences" in str(drives.facts["blocks"])
    assert drives.facts["intervals"] == 0, "four drives are too few for an interval"
