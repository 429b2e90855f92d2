"""Where things are: what the package ships, and the user's folders."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from dissect.errors import NotFoundError

Kind = Literal["datasets", "models", "migrations"]


def shipped(kind: Kind) -> Path:
    """The folder of cards, weights or migrations: inside an installed wheel, or at the top of a checkout.

    Raises:
        NotFoundError: the installation is incomplete.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_shipped" / kind, package.parent / kind):
        if folder.is_dir():
            return folder
    raise NotFoundError(f"this installation lacks its folder of {kind}. Install it again: pip install --force-reinstall neuron-dissect")
