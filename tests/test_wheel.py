"""The wheel holds what is needed, and nothing that shadows other packages."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel, and a folder it is installed into alone (its dependencies are those of this environment)."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(source)], check=True) if (ROOT / ".git").exists() else None
    if not source.exists():
        pytest.skip("not a git checkout, so there is nothing to build a clean wheel from")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    wheel = next(folder.glob("*.whl"))
    target = folder / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return wheel, target


def python(target: Path, code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run code with the installed wheel first on the path, outside the checkout, without the checkout's editable install."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DISSECT_", "PYTHON"))}
    finders = "[finder for finder in sys.meta_path if 'editable' not in repr(finder).lower()]"
    script = f"import sys\nsys.meta_path[:] = {finders}\nsys.path.insert(0, {str(target)!r})\n{code}"
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=cwd,
        env={**environment, "DISSECT_HOME": str(cwd / "home")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_ships_cards_weights_migrations_and_templates(installed: tuple[Path, Path]) -> None:
    names = zipfile.ZipFile(installed[0]).namelist()
    for part in (
        "_shipped/datasets/demo.toml",
        "_shipped/models/demo.safetensors",
        "_shipped/migrations/env.py",
        "exchange/templates/dissect.css",
    ):
        assert f"dissect/{part}" in names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"dissect"}


def test_the_installed_wheel_runs_outside_the_checkout(installed: tuple[Path, Path], tmp_path: Path) -> None:
    run = "sys.argv = ['dissect', 'models', 'layers', 'demo']; runpy.run_module('dissect', run_name='__main__')"
    code = f"import dissect, runpy; print(dissect.__file__); {run}"
    done = python(installed[1], code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert str(installed[1]) in done.stdout and "layer6" in done.stdout


@pytest.mark.parametrize("name", ["datasets", "models", "migrations", "tests"])
def test_the_wheel_brings_no_top_level_packages_of_common_names(installed: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    done = python(installed[1], f"import {name}; print({name}.__file__)", tmp_path)
    assert done.returncode != 0 and "ModuleNotFoundError" in done.stderr
