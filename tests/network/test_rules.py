"""Rules read from the source: who may load pickles, who may import torchvision, and what nobody may do."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "dissect"
FORBIDDEN_MODULES = ("pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib")
FORBIDDEN_CALLS = ("eval", "exec", "__import__", "os.system", "os.popen", "yaml.load", "torch.hub.load", "numba.core.serialize")


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or attribute, else an empty text."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) and dotted(node.value) else ""


@functools.cache
def findings(path: Path) -> tuple[tuple[str, str], ...]:
    """See `_findings`; each file is read once."""
    return tuple(_findings(path))


def _findings(path: Path) -> Iterator[tuple[str, str]]:
    """(kind, what) of everything in a file that a rule speaks of, under the names given by its imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.partition(".")[0]] = alias.name if alias.asname else alias.name.partition(".")[0]
                yield "import", alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                yield "import", f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            head, _, tail = name.partition(".")
            full = known.get(head, head) + ("." + tail if tail else "")
            if full == "importlib.import_module" and node.args and isinstance(node.args[0], ast.Constant):
                yield "import", str(node.args[0].value)
            yield "call", full
            if any(word.arg == "shell" for word in node.keywords):
                yield "call", "shell="
            if any(word.arg == "allow_pickle" and getattr(word.value, "value", True) is not False for word in node.keywords):
                yield "call", "allow_pickle="
            if any(word.arg == "trust_remote_code" and getattr(word.value, "value", True) is not False for word in node.keywords):
                yield "call", "trust_remote_code="


def users(what: str, kind: str, package: Path = PACKAGE) -> list[str]:
    """Files in which something happens, once for each time."""
    return [
        str(path.relative_to(package))
        for path in sorted(package.rglob("*.py"))
        for found_kind, found in findings(path)
        if found_kind == kind and (found == what or (kind == "import" and found.startswith(what + ".")))
    ]


def test_exactly_one_place_calls_torch_load() -> None:
    assert users("torch.load", "call") == ["network/checkpoint.py"]


def test_exactly_one_file_imports_torchvision() -> None:
    assert set(users("torchvision", "import")) == {"network/torchvision_guard.py"}


@pytest.mark.parametrize("module", FORBIDDEN_MODULES)
def test_nobody_imports_what_runs_code_on_reading(module: str) -> None:
    assert users(module, "import") == []


@pytest.mark.parametrize("call", [*FORBIDDEN_CALLS, "shell=", "allow_pickle=", "trust_remote_code="])
def test_nobody_calls_what_runs_text_as_code(call: str) -> None:
    assert users(call, "call") == []


def test_torch_load_is_safe_unless_the_person_said_otherwise() -> None:
    tree = ast.parse((PACKAGE / "network" / "checkpoint.py").read_text(encoding="utf-8"))
    (call,) = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and dotted(node.func) == "torch.load"]
    words = {word.arg: ast.unparse(word.value) for word in call.keywords}
    assert words == {"map_location": "'cpu'", "weights_only": "safe"}


@pytest.mark.parametrize(
    ("text", "kind", "what"),
    [
        ("import torch as t\nt.load('x')", "call", "torch.load"),
        ("from torch import load as read\nread('x')", "call", "torch.load"),
        ("import torchvision.models as m", "import", "torchvision"),
        ("from torchvision import models", "import", "torchvision"),
        ("import importlib\nimportlib.import_module('torchvision')", "import", "torchvision"),
        ("def f():\n    import pickle", "import", "pickle"),
        ("eval('1')", "call", "eval"),
        ("import subprocess\nsubprocess.run('x', shell=True)", "call", "shell="),
        ("import numpy as np\nnp.load('x', allow_pickle=True)", "call", "allow_pickle="),
    ],
)
def test_the_rules_find_what_they_look_for(text: str, kind: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(text)
    assert users(what, kind, tmp_path) == ["x.py"]
