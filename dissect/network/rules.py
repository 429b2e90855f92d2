"""What a person may say about a layer's output where it cannot be known. Without torch, so that cards are read quickly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Form = Literal["conv", "linear", "tokens", "channels_last"]
FORMS: tuple[Form, ...] = ("conv", "linear", "tokens", "channels_last")


@dataclass(frozen=True)
class OutputRule:
    """How an output is read; None leaves a value to the rules of `forms`."""

    form: Form | None = None
    prefix_tokens: int | None = None
    grid: tuple[int, int] | None = None
