"""A route that only reads asks all its questions in one transaction; one that writes does not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from dissect.serve.routing import OneState


class Desk:
    """A reader that notes whether it is being asked together."""

    inside = False

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        self.inside = True
        try:
            yield
        finally:
            self.inside = False


def asks(read: Any) -> bool:
    return bool(read.inside)


def fails(read: Any) -> bool:
    raise ValueError(str(read.inside))


async def waits(read: Any) -> bool:
    return bool(read.inside)


def test_a_page_is_asked_together_and_the_transaction_ends_with_it() -> None:
    desk = Desk()
    assert OneState("/page", asks, methods=["GET"]).endpoint(read=desk) is True and not desk.inside
    with pytest.raises(ValueError, match="True"):
        OneState("/page", fails).endpoint(read=desk)
    assert not desk.inside


def test_what_writes_or_waits_is_left_as_it_is() -> None:
    assert OneState("/page", asks, methods=["POST"]).endpoint is asks
    assert OneState("/page", waits, methods=["GET"]).endpoint is waits
