"""Addresses of pages, written in one place. All start at the root, so that a page may be shown at any depth."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from dissect.serve.names import segment

API = "/api/v1"


def model(name: str) -> str:
    """All runs of a network."""
    return f"/m/{segment(name)}"


def run(number: int) -> str:
    """A run: progress, configuration."""
    return f"/runs/{number}"


def layer(model_name: str, run_number: int, name: str) -> str:
    """A layer of a run."""
    return f"/m/{segment(model_name)}/r/{run_number}/{segment(name)}"


def unit(model_name: str, run_number: int, layer_name: str, index: int) -> str:
    """A unit of a layer of a run."""
    return f"{layer(model_name, run_number, layer_name)}/{index}"


def concept(category: str, name: str) -> str:
    """A concept."""
    return f"/c/{segment(category)}/{segment(name)}"


def audit(number: int) -> str:
    """An audit."""
    return f"/audits/{number}"


def job(number: int) -> str:
    """A job."""
    return f"/jobs/{number}"


def picture(sha256: str) -> str:
    """The small copy of an image with this content."""
    return f"/t/{sha256}.jpg"


def with_query(path: str, values: Mapping[str, object]) -> str:
    """The path with what is asked; None and empty texts and lists are left out."""
    kept = [(name, _plain(value)) for name, value in values.items() if value is not None and value != "" and value != ()]
    return f"{path}?{urlencode(kept, doseq=True)}" if kept else path


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return list(value) if isinstance(value, tuple) else value
