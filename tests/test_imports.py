"""Rule: a room imports only from rooms to its left, and from the row underneath."""

from __future__ import annotations

import ast
from pathlib import Path

ROOMS = ("concepts", "network", "probe", "score", "compose", "verify", "caption", "audit", "store", "exchange", "pipeline", "serve", "cli")
UNDERNEATH = ("errors", "config", "paths", "atomic", "fingerprint")
PACKAGE = Path(__file__).resolve().parents[1] / "dissect"
HANDED_IN = "engine"
APART = {("network", "concepts")}
"""Rooms that feed the probe side by side and know nothing of each other."""


def imported(path: Path) -> set[str]:
    """Rooms or modules of this package that a file imports, at any depth of its code."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "dissect" else [node.module or ""]
        found |= {name.split(".")[1] for name in names if name.startswith("dissect.") and name != "dissect.__version__"}
    return found


def arrows_back(package: Path) -> list[str]:
    """Every import against the direction, as text."""
    wrong = []
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package)
        room = relative.parts[0] if len(relative.parts) > 1 else relative.stem
        for name in sorted(imported(path)):
            if name == room or (name in UNDERNEATH and room not in UNDERNEATH):
                continue
            if room in ROOMS and name in ROOMS and ROOMS.index(name) < ROOMS.index(room) and (room, name) not in APART:
                continue
            if name == HANDED_IN and room in ("pipeline", "serve", "cli"):
                continue
            if room in ("__init__", "__main__", "api") or (room in UNDERNEATH and name in UNDERNEATH):
                continue
            wrong.append(f"{relative} imports {name}")
    return wrong


def test_no_room_imports_from_its_right() -> None:
    assert arrows_back(PACKAGE) == []


def test_an_arrow_back_is_found(tmp_path: Path) -> None:
    (tmp_path / "score").mkdir()
    (tmp_path / "score" / "count.py").write_text("from dissect.store import schema\n")
    assert arrows_back(tmp_path) == ["score/count.py imports store"]


def test_the_networks_room_does_not_know_concepts(tmp_path: Path) -> None:
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "card.py").write_text("import dissect.concepts.model\n")
    assert arrows_back(tmp_path) == ["network/card.py imports concepts"]
