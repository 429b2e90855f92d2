"""A run as a folder of pages that opens from disk: no server, no network, no script needed.

The folder is written under another name and moved into place when it is whole. A report of ours is replaced; anything else is not touched.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dissect import __version__, atomic
from dissect.errors import StorageError, UsageError
from dissect.exchange import help as glossary
from dissect.exchange import tables
from dissect.exchange.pages import TEMPLATES, LayerPages, render, run_title, unit_reference
from dissect.exchange.pictures import PictureBook
from dissect.exchange.summary import hues
from dissect.exchange.view import ReportRun
from dissect.exchange.words import clip, name_of

MARK = "report.json"
"""The file by which a folder is known to be a report of ours."""
ASSETS = ("dissect.css", "dissect.js")
MOST_SKIPPED = 100


def write_report(view: ReportRun, folder: Path) -> Path:
    """Write the report of a run into `folder` (made, or replaced if it is an earlier report). Returns the path of its first page.

    Raises:
        UsageError: `folder` is a file, or holds something that is no report of ours.
        StorageError: it could not be written; an earlier report stands as it was.
    """
    target = folder.expanduser().resolve()
    refuse_foreign(target)
    sweep(target)
    made = target.with_name(f".{target.name}.{os.getpid()}.report")
    try:
        made.mkdir(parents=True)
        for name, text in _files(view, made):
            path = made / name
            path.parent.mkdir(exist_ok=True)
            atomic.write_inside(path, text.encode())
        atomic.write_text(made / MARK, json.dumps(_mark(view), indent=1) + "\n")
        _put(made, target)
    except OSError as error:
        raise StorageError(f"cannot write the report {target}: {error.strerror or error}. Choose another folder with --output.") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return target / "index.html"


def refuse_foreign(folder: Path) -> None:
    """Let through what does not exist, an empty folder, or an earlier report.

    Raises:
        UsageError: anything else.
    """
    if folder.is_dir():
        if not any(folder.iterdir()) or _is_report(folder):
            return
        raise UsageError(f"{folder} holds files that are no report of dissect; they were not touched. Name a new or an empty folder.")
    if folder.exists():
        raise UsageError(f"{folder} is a file. Name a folder for the report.")


def remove_report(folder: Path, fingerprint: str) -> bool:
    """Delete a folder if it is a report of the run with this fingerprint. Returns whether it was."""
    if folder.is_symlink() or _read_mark(folder).get("fingerprint") != fingerprint:
        return False
    atomic.remove_tree(folder)
    return True


def _is_report(folder: Path) -> bool:
    return bool(_read_mark(folder))


def _read_mark(folder: Path) -> dict[str, object]:
    """What the folder says about itself; nothing if it is no report."""
    try:
        found = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and found.get("kind") == "dissect report" else {}


def _put(made: Path, target: Path) -> None:
    """Move the finished folder into place. An earlier report steps aside first and comes back if the move fails."""
    aside = target.with_name(f".{target.name}.{os.getpid()}.old.report")
    if target.exists():
        target.rename(aside)
    try:
        made.rename(target)
    except OSError:
        if aside.exists():
            aside.rename(target)
        raise
    atomic.sync_folder(target.parent)
    shutil.rmtree(aside, ignore_errors=True)


def sweep(target: Path) -> None:
    """Remove folders that writers of this report left beside it when they were killed; put back a report that one had set aside."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\.(\d+)(\.old)?\.report")
    for path in target.parent.glob(".*.report") if target.parent.is_dir() else ():
        match = pattern.fullmatch(path.name)
        if match is None or _alive(int(match.group(1))):
            continue
        if match.group(2) and not target.exists() and _is_report(path):
            with contextlib.suppress(OSError):
                path.rename(target)
                continue
        shutil.rmtree(path, ignore_errors=True)


def _alive(process: int) -> bool:
    if process == os.getpid():
        return False  # this process writes one report at a time; what carries its number is from an earlier, failed try
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _files(view: ReportRun, made: Path) -> Iterator[tuple[str, str]]:
    """Every file of the report but the thumbnails, which are put into `made` on the way: (path below the report, text)."""
    book = PictureBook(view, made)
    entries = []
    for position, layer in enumerate(view.layers):
        folder = f"{position:02d}-{slug(layer.name)}"
        pages = LayerPages(view, layer, folder, book)
        yield from pages.pages()
        cards = [card | {"href": f"{folder}/unit-{card['unit'].index}.html", "pic": _from_root(card["pic"])} for card in pages.cards]
        entries.append({"layer": layer, "href": f"{folder}/index.html", "sentence": pages.sentence, "cards": cards, "shape": book.shape})
    yield "index.html", _first_page(view, entries)
    yield "help.html", render(
        "help.html", view, root="", title="How to read this", path=[(run_title(view), "index.html"), ("How to read this", "")],
        entries=glossary.entries(view),
    )  # fmt: skip
    for name in ASSETS:
        yield name, (TEMPLATES / name).read_text(encoding="utf-8")
    listed = list(tables.rows(view))
    yield "units.csv", tables.csv_of(listed)
    yield "units.jsonl", tables.jsonl_of(listed)
    if view.skipped:
        yield "skipped.csv", tables.skipped_text(view)


def _mark(view: ReportRun) -> dict[str, str]:
    return {"kind": "dissect report", "program": __version__, "run": view.run, "fingerprint": view.fingerprint}


def _from_root(picture: Any) -> Any:
    return dataclasses.replace(picture, src=picture.src.removeprefix("../"))


def _first_page(view: ReportRun, entries: list[dict[str, Any]]) -> str:
    return render(
        "run.html", view, root="", title=run_title(view), path=[(run_title(view), "")], layers=entries, commands=commands(view),
        limits=limits(view), skipped=view.skipped[:MOST_SKIPPED], hues=hues(list(view.categories)),
    )  # fmt: skip


def commands(view: ReportRun) -> list[tuple[str, str]]:
    """(what it answers, command) for the first page, with names of this run."""
    labelled = [(layer, unit) for layer in view.layers for unit in layer.units if unit.label is not None and unit.label.detector]
    layer, unit = max(labelled, key=lambda pair: (pair[1].label.score or 0.0) if pair[1].label else 0.0) if labelled else (None, None)
    found = []
    if unit is not None and layer is not None:
        found.append(("Which units of all runs detect a concept?", f"dissect search {shlex.quote(clip(name_of(unit.label), 400))}"))
    elif view.layers and view.layers[0].units:
        layer, unit = view.layers[0], view.layers[0].units[0]
    if unit is not None and layer is not None:
        run = shlex.quote(view.run)
        found.append(("All that is known about one unit", f"dissect unit {unit_reference(view, layer, unit)} --run {run}"))
    found.append(("The whole run as a table", f"dissect export {shlex.quote(view.run)} --format csv"))
    return found


def limits(view: ReportRun) -> list[str]:
    """What a reader may believe to see and does not."""
    labels = [unit.label for layer in view.layers for unit in layer.units if unit.label is not None]
    if view.imported:
        return [
            "All of it is as the table has it: no pictures, activations or thresholds stand behind it, so nothing can be tested.",
            "Labels of several methods are not measured alike: a similarity is no IoU, and a description without a score claims nothing.",
        ]
    found = ["Only the images that drive a unit highest are shown. What it does at lower activations may be something else."]
    if view.label_kind != "none":
        found.append("A unit can only be given concepts that this data set names. The best of them need not be good.")
        if not any(label.q is not None for label in labels):
            found.append("No label was tested for chance.")
        if not any(label.held_out is not None for label in labels):
            found.append("No label was scored on images that it was not chosen on.")
    if not any(label.effect for label in labels):
        found.append("No unit was switched off: a unit that fires for a concept may still not matter for the network's answers.")
    found.append("Pictures are small copies of the data set's images, and its licence holds for them here too. The originals are not here.")
    return found


def slug(name: str) -> str:
    """A layer's name as part of a folder's name: letters, digits, point and hyphen, at most 40."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")[:40] or "layer"
