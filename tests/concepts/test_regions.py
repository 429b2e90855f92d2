"""Regions: polygons against plain point-in-polygon, discs, unions, and planes that lose no pixel."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dissect.concepts import regions
from dissect.concepts.regions import Mask, PlaneStack, Region
from dissect.errors import ShapeError

SIZE = (9, 11)
coordinates = st.integers(-12, 60).map(lambda quarter: quarter / 4)
polygons = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8)


def plain(points: list[tuple[float, float]], size: tuple[int, int]) -> tuple[Mask, Mask]:
    """Which centres are inside, in exact fractions; and which lie on no slanted edge, where rounding may decide."""
    inside, clear = np.zeros(size, dtype=np.bool_), np.ones(size, dtype=np.bool_)
    for row, column in np.ndindex(size):
        x, y = Fraction(2 * column + 1, 2), Fraction(2 * row + 1, 2)
        for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True):
            if (y1 <= y) != (y2 <= y):
                crossing = Fraction(x1) + (y - Fraction(y1)) * (Fraction(x2) - Fraction(x1)) / (Fraction(y2) - Fraction(y1))
                inside[row, column] ^= crossing <= x
                clear[row, column] &= crossing != x or x1 == x2
    return inside, clear


@given(polygons)
def test_a_polygon_holds_the_centres_that_lie_inside(points: list[tuple[float, float]]) -> None:
    inside, clear = plain(points, SIZE)
    found = regions.from_polygon(np.array(points), SIZE).full(SIZE)
    np.testing.assert_array_equal(found[clear], inside[clear])


@given(polygons, st.integers(0, 7))
def test_direction_and_first_point_do_not_matter(points: list[tuple[float, float]], start: int) -> None:
    found = regions.from_polygon(np.array(points), SIZE).full(SIZE)
    turned = np.roll(np.array(points), start, axis=0)[::-1]
    np.testing.assert_array_equal(regions.from_polygon(turned, SIZE).full(SIZE), found)


@given(polygons, coordinates)
def test_two_halves_of_a_picture_neither_overlap_nor_gape(cut: list[tuple[float, float]], x: float) -> None:
    line = [(x, -1.0), *[(px, py) for px, py in sorted(cut, key=lambda point: point[1]) if -1 < py < 10], (x, 10.0)]
    left = regions.from_polygon(np.array([(-30.0, -1.0), *line, (-30.0, 10.0)]), SIZE).full(SIZE)
    right = regions.from_polygon(np.array([(40.0, -1.0), *line, (40.0, 10.0)]), SIZE).full(SIZE)
    assert (left ^ right).all()


def test_a_square_holds_its_pixels_and_its_hole_is_even_odd() -> None:
    square = regions.from_polygon(np.array([(1.0, 2.0), (4.0, 2.0), (4.0, 5.0), (1.0, 5.0)]), SIZE)
    assert (square.top, square.left, square.mask.shape, square.pixels) == (2, 1, (3, 3), 9)
    twice = np.array([(0, 0), (6, 0), (6, 6), (0, 6), (0, 0), (2, 2), (4, 2), (4, 4), (2, 4), (2, 2)], dtype=np.float64)
    assert regions.from_polygon(twice, SIZE).pixels == 36 - 4


@pytest.mark.parametrize("points", [[], [(1, 1)], [(1, 1), (5, 5)], [(1, 1), (5, 1), (3, 1)], [(99, 99), (120, 99), (99, 120)]])
def test_what_encloses_no_centre_holds_nothing(points: list[tuple[float, float]]) -> None:
    region = regions.from_polygon(np.array(points, dtype=np.float64).reshape(-1, 2), SIZE)
    assert region.pixels == 0 and not region.full(SIZE).any()


def test_a_list_of_single_numbers_is_no_polygon() -> None:
    with pytest.raises(ShapeError, match="P, 2"):
        regions.from_polygon(np.zeros(6), SIZE)


@given(st.floats(-5, 15), st.floats(-5, 15), st.floats(0, 6))
def test_a_disc_holds_centres_in_reach_and_its_own_pixel(x: float, y: float, radius: float) -> None:
    expected = np.array([
        [(c + 0.5 - x) ** 2 + (r + 0.5 - y) ** 2 <= radius**2 or (c <= x < c + 1 and r <= y < r + 1) for c in range(SIZE[1])]
        for r in range(SIZE[0])
    ])  # fmt: skip
    np.testing.assert_array_equal(regions.from_disc(x, y, radius, SIZE).full(SIZE), expected)


quartets = hnp.arrays(np.bool_, st.tuples(st.just(4), st.integers(1, 3), st.integers(1, 3)))


@given(quartets, st.lists(st.integers(0, 6), min_size=8, max_size=8))
def test_a_union_holds_what_any_part_holds(masks: Mask, corners: list[int]) -> None:
    parts = [Region(corners[2 * i], corners[2 * i + 1], mask) for i, mask in enumerate(masks)]
    expected = np.any([part.full(SIZE) for part in parts], axis=0)
    np.testing.assert_array_equal(regions.union(parts).full(SIZE), expected)
    np.testing.assert_array_equal(regions.from_mask(expected).full(SIZE), expected)
    assert regions.from_mask(expected).pixels == expected.sum()


def test_the_union_of_nothing_is_nothing() -> None:
    assert regions.union([]).pixels == 0


@given(st.lists(st.tuples(st.integers(1, 4), hnp.arrays(np.bool_, (3, 4)), st.integers(0, 4), st.integers(0, 5)), max_size=8))
def test_every_region_keeps_all_its_pixels_and_no_plane_shows_more(items: list[tuple[int, Mask, int, int]]) -> None:
    stack = PlaneStack("object", SIZE)
    expected: dict[int, Mask] = {concept: np.zeros(SIZE, dtype=np.bool_) for concept in range(1, 5)}
    for concept, mask, top, left in items:
        region = Region(top, left, mask)
        stack.add(concept, region)
        expected[concept] |= region.full(SIZE)
    planes = stack.planes()
    for concept, mask in expected.items():
        np.testing.assert_array_equal(np.any([plane.ids == concept for plane in planes], axis=0), mask)
    assert 1 <= len(planes) <= 4, "one concept needs no second plane"


def test_regions_that_do_not_overlap_share_a_plane() -> None:
    stack = PlaneStack("object", SIZE)
    for concept in range(1, 8):
        stack.add(concept, Region(concept, 0, np.ones((1, 4), dtype=np.bool_)))
    stack.add(3, Region(3, 2, np.ones((1, 4), dtype=np.bool_)))
    assert len(stack.planes()) == 1
    stack.add(9, Region(0, 0, np.ones((9, 1), dtype=np.bool_)))
    assert [plane.category for plane in stack.planes()] == ["object", "object"]
