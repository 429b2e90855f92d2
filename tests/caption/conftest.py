"""The models of these tests are small: more threads would only wait for each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """One thread for torch while the tests of this room run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def saved_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of small saved models: every captioner by its kind, and `gpt2`."""
    from tests.caption.saved_models import CAPTIONERS, save_gpt2

    root = tmp_path_factory.mktemp("models")
    return {name: save(root / name) for name, save in {**CAPTIONERS, "gpt2": save_gpt2}.items()}
