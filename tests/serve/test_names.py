"""Names in addresses: any name is one segment, comes back as it was, and stays readable where it can."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.errors import NotFoundError
from dissect.serve.names import name_in, segment

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(NAMES)
def test_every_name_comes_back_from_its_segment(name: str) -> None:
    written = segment(name)
    assert name_in(written) == name
    assert written and "/" not in written and written not in (".", "..")


@given(NAMES)
def test_no_browser_or_proxy_changes_a_segment(name: str) -> None:
    written = segment(name)
    assert quote(written, safe="-_.:@,=+~") == written and unquote(written) == written


@given(NAMES, st.sampled_from([".json", ".csv", ".JSON"]))
def test_no_segment_ends_like_a_file(name: str, ending: str) -> None:
    assert not segment(name + ending).lower().endswith((".json", ".csv"))


@given(NAMES, NAMES)
def test_two_names_have_two_segments(first: str, second: str) -> None:
    assert (segment(first) == segment(second)) == (first == second)


def test_ordinary_names_stay_as_they_are() -> None:
    for name in ("torchvision:resnet18@random", "layer4.1.conv2", "timm:vit_tiny_patch16_224", "a,b=c+d"):
        assert segment(name) == name
    assert segment("org/model") == "org~2Fmodel" and segment("größe") == "gr~C3~B6~C3~9Fe" and segment("") == "~"
    assert segment("..") == "~2E~2E" and segment("net.json") == "net~2Ejson"


@pytest.mark.parametrize("broken", ["~", "~2", "~GG", "a~", "~FF", "~C3", "~00", "~ED~A0~80", "\udc80"])
def test_what_no_name_is_written_as_is_not_found(broken: str) -> None:
    if broken == "~":
        assert name_in(broken) == ""
        return
    with pytest.raises(NotFoundError):
        name_in(broken)
