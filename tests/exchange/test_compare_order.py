"""A comparison's categories stand in the order of every other page."""

from __future__ import annotations

from dissect.exchange.compare_page import in_usual_order


def test_categories_stand_in_the_usual_order_and_none_comes_last() -> None:
    found = in_usual_order({"": (1, 0), "color": (2, 2), "zebra": (0, 1), "object": (3, 4), "scene": (1, 1), "part": (5, 5)})
    assert list(found) == ["object", "part", "scene", "color", "zebra", ""]
    assert found["object"] == (3, 4)
