"""The tree drawn in the docstring is the tree in the code."""

from __future__ import annotations

import re

from dissect import errors


def test_the_drawn_tree_names_every_error_with_its_exit_code() -> None:
    drawn = {name: int(code) for name, code in re.findall(r"(\w+Error)\s+(\d)", errors.__doc__ or "")}
    real = {
        name: thing.exit_code for name, thing in vars(errors).items() if isinstance(thing, type) and issubclass(thing, errors.DissectError)
    }
    assert drawn == real


def test_a_missing_extra_says_how_to_get_it() -> None:
    assert "pip install 'neuron-dissect[timm]'" in str(errors.MissingExtraError("timm:vit", "timm"))
