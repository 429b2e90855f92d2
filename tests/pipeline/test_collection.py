"""The search for cycles is put off, and comes back as it was."""

from __future__ import annotations

import gc

import pytest

from dissect.pipeline.collection import no_collection


def test_it_comes_back_after_an_error() -> None:
    with pytest.raises(ValueError, match="x"), no_collection():
        assert not gc.isenabled()
        raise ValueError("x")
    assert gc.isenabled()


def test_one_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with no_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
