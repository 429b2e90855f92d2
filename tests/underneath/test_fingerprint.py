"""The same settings give the same fingerprint; another setting gives another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dissect.fingerprint import Plain, canonical, fingerprint

plain = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=12,
)


@given(some.dictionaries(some.text(), plain, max_size=6))
def test_the_order_of_keys_does_not_matter(value: dict[str, Plain]) -> None:
    assert fingerprint(value) == fingerprint(dict(reversed(value.items())))


@given(plain, plain)
def test_different_values_have_different_canonical_text(left: Plain, right: Plain) -> None:
    same = repr(left) == repr(right)
    if same:
        assert canonical(left) == canonical(right)
    elif canonical(left) == canonical(right):
        assert left == right  # only lists against lists with equal content may meet


def test_a_known_value_stays_what_it_was() -> None:
    assert canonical({"q": 0.0050, "layers": ("a", "b"), "n": None}) == '{"layers":["a","b"],"n":null,"q":0.005}'
    assert fingerprint({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {"a": b"bytes"}])
def test_what_is_not_plain_data_is_refused(value: Plain) -> None:
    with pytest.raises(ValueError, match="cannot be part"):
        fingerprint(value)
