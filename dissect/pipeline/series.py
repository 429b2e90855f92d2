"""A training seen through its snapshots: every file of a folder is dissected with the same rules, and the layers' numbers become curves."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from dissect.config import Config
from dissect.errors import CheckpointError, NotFoundError, UsageError
from dissect.pipeline.request import RunRequest
from dissect.pipeline.run import run_request
from dissect.probe.progress import Progress
from dissect.store import LayerSummary, Store

SUFFIXES = (".safetensors", ".pt", ".pth", ".th", ".bin", ".ckpt", ".tar")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class SeriesPoint:
    """One layer after one number of steps. by_category: category -> (detector units, distinct concepts among them)."""

    step: int
    run: int
    layer: str
    units: int
    silent: int
    detectors: int
    unique: int
    by_category: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Series:
    """A training. points: by layer in order of computation, then by step. failed: (file, why) of snapshots that could not be read."""

    model: str
    data: str
    points: tuple[SeriesPoint, ...]
    failed: tuple[tuple[str, str], ...] = ()

    def layers(self) -> dict[str, list[SeriesPoint]]:
        """Layer -> its points by step."""
        found: dict[str, list[SeriesPoint]] = {}
        for point in self.points:
            found.setdefault(point.layer, []).append(point)
        return found

    def categories(self) -> list[str]:
        """Categories that any detector names."""
        return list(dict.fromkeys(name for point in self.points for name in point.by_category))

    def as_plain(self) -> dict[str, object]:
        """As plain data, for JSON."""
        return {
            "model": self.model, "data": self.data, "points": [asdict(point) for point in self.points],
            "failed": [{"file": name, "reason": reason} for name, reason in self.failed],
        }  # fmt: skip


def snapshots(folder: Path) -> list[tuple[int, Path]]:
    """(step, file) of the checkpoints in a folder, by step. The step is the last number in the file's name.

    Raises:
        NotFoundError: no such folder, or it holds no checkpoint. UsageError: a name has no number, or two have the same.
    """
    if not folder.is_dir():
        raise NotFoundError(f"there is no folder {folder}. Name the folder that holds a training's checkpoints.")
    files = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())
    if not files:
        raise NotFoundError(f"{folder} holds no checkpoint. Files are told by their endings: {', '.join(SUFFIXES)}.")
    found: dict[int, Path] = {}
    for path in files:
        numbers = _NUMBER.findall(path.name.removesuffix(path.suffix))
        if not numbers:
            raise UsageError(f"{path.name} has no number in its name, so its step is not known. Name it as model-1000{path.suffix}.")
        step = int(numbers[-1])
        if step in found:
            raise UsageError(f"{found[step].name} and {path.name} both say step {step}. Move one of them elsewhere.")
        found[step] = path
    return sorted(found.items())


def run_series(
    request: RunRequest, folder: Path, config: Config, store: Store, progress: Progress, *, workers: int = 1,
    say: Callable[[str], None] = lambda _: None,
) -> Series:  # fmt: skip
    """Dissect every snapshot of a folder; those that are done already are only read. One that cannot be read is left out and listed.

    Raises:
        DissectError: as `run_request`; what was done before stays. CheckpointError: not one of the files could be read.
    """
    found, failed = list[tuple[int, int, Sequence[LayerSummary]]](), list[tuple[str, str]]()
    for step, path in snapshots(folder):
        say(f"step {step}: {path.name}")
        try:
            outcome = run_request(replace(request, weights=str(path.absolute()), step=step), config, store, progress, workers=workers)
        except CheckpointError as error:
            failed.append((path.name, str(error)))
            say(f"left out: {error}")
            continue
        found.append((step, outcome.run.id, outcome.layers))
    if not found:
        raise CheckpointError(f"none of the {len(failed)} checkpoints in {folder} can be used. The first, {failed[0][0]}: {failed[0][1]}")
    order = list(dict.fromkeys(layer.layer for _, _, layers in found for layer in layers))
    points = [_point(step, run, layer) for name in order for step, run, layers in found for layer in layers if layer.layer == name]
    return Series(request.model, request.data, tuple(points), tuple(failed))


def _point(step: int, run: int, layer: LayerSummary) -> SeriesPoint:
    silent = sum(layer.states.get(state, 0) for state in ("dead", "constant"))
    counted = {category: (sum(names.values()), len(names)) for category, names in layer.by_category.items()}
    return SeriesPoint(step, run, layer.layer, layer.units, silent, layer.detectors or 0, layer.unique or 0, counted)
