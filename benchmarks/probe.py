"""Cost of a whole run against the bare forward pass, and of the fast forward path against the plain one.

    python benchmarks/probe.py [--images 2000] [--repeats 2] [--layers layer4]

Both sides decode the same JPEGs with one background thread and use the same network, memory format, folding and batch size; the bare
side keeps nothing. The whole run probes, scores, stores, writes thumbnails and the HTML report; its label signatures are warm
(computed by an earlier run on another layer), and the cold figure is printed beside it. Sides alternate in one process.
"""

from __future__ import annotations

import argparse
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.common import check, leave, machine, middle, picture_set
from dissect.concepts.images import open_image
from dissect.concepts.model import ProbeSet
from dissect.config import Config
from dissect.network import LoadedNetwork
from dissect.network.model import LayerInfo
from dissect.pipeline.open import open_data, open_network
from dissect.pipeline.remove import delete_run
from dissect.pipeline.request import RunRequest
from dissect.pipeline.run import run_request
from dissect.probe.progress import Quiet
from dissect.store import Store

CASES = (("torchvision:resnet18@random", "layer4"), ("torchvision:resnet50@random", "layer1"), ("torchvision:resnet18@random", "relu@0"))
"""512 x 7 x 7, then 256 x 56 x 56 and 64 x 112 x 112."""


def batches(network: LoadedNetwork, data: ProbeSet, size: int) -> Iterator[NDArray[np.float32]]:
    """Prepared batches, decoded one ahead by a thread."""
    ready: queue.Queue[NDArray[np.float32] | None] = queue.Queue(maxsize=2)

    def fill() -> None:
        for first in range(0, len(data.records), size):
            ready.put(np.stack([network.prepare(open_image(record.path)) for record in data.records[first : first + size]]))
        ready.put(None)

    threading.Thread(target=fill, daemon=True).start()
    while (batch := ready.get()) is not None:
        yield batch


def bare(network: LoadedNetwork, data: ProbeSet, layers: tuple[LayerInfo, ...], size: int) -> float:
    """Seconds of decoding and the forward pass up to the last layer."""
    began = time.perf_counter()
    for batch in batches(network, data, size):
        network.activations(batch, layers)
    return time.perf_counter() - began


def whole(request: RunRequest, config: Config, store: Store) -> tuple[float, int]:
    """Seconds of a whole run with report, and the run's number."""
    began = time.perf_counter()
    outcome = run_request(request, config, store, Quiet(), report=config.home / "report")
    took = time.perf_counter() - began
    if outcome.forward_images != outcome.run.images:
        raise SystemExit("the run found activations in the cache: nothing was measured")
    return took, outcome.run.id


def forward_paths(request: RunRequest, config: Config, data: ProbeSet, images: int) -> list[float]:
    """Ratios plain / fast of forward passes over the same batch, in turns.

    The plain path runs in a process of its own, where memory is handled as torch and the C library do by themselves.
    """
    fast = open_network(request, config)
    batch = next(batches(fast, data, 32))
    unset = {"GLIBC_TUNABLES": "glibc.malloc.check=0"}  # the default; that it is named keeps `keep_freed_blocks` away
    command = [sys.executable, "-m", "benchmarks.probe", "--plain", request.model, str(request.data)]
    ratios = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **unset}) as child:
        assert child.stdin is not None and child.stdout is not None
        for turn in range(max(3, images // 320) + 1):
            print("pass", file=child.stdin, flush=True)
            plain, own = float(child.stdout.readline()), three_passes(fast, batch)
            ratios += [plain / own] if turn else []  # the first warms both
        child.stdin.close()
    return ratios


def three_passes(network: LoadedNetwork, batch: NDArray[np.float32]) -> float:
    """Seconds."""
    began = time.perf_counter()
    for _ in range(3):
        network.outputs(batch)
    return time.perf_counter() - began


def plain_passes(model: str, card: str) -> None:
    """The child of `forward_paths`: for each line read, the seconds of three passes."""
    request, config = RunRequest(model=model, data=card, fast=False), Config(home=Path("none"), database_url="sqlite://")
    _, data = open_data(request, config)
    network = open_network(request, config)
    batch = next(batches(network, data, 32))
    for _ in sys.stdin:
        print(three_passes(network, batch), flush=True)


def main() -> None:
    """Print the figures; exit 1 if a floor is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--cases", type=int, default=len(CASES), help="only the first so many layers")
    parser.add_argument("--plain", nargs=2, metavar=("MODEL", "CARD"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        plain_passes(*options.plain)
        return
    print(machine())
    held = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        card = picture_set(folder / "set", options.images)
        print(f"data: {options.images} synthetic JPEGs of 500 x 375, 230 concepts in two planes; batch 32")
        for position, (model, layer) in enumerate(CASES[: options.cases]):
            request = RunRequest(model=model, data=str(card), layers=(layer,))
            config = Config(home=folder / "none", database_url="sqlite://")
            _, data = open_data(request, config)
            network = open_network(request, config)
            layers = network.layers((layer,))
            next(iter(batches(network, data, 32)))
            if position == 0:
                ratios = forward_paths(request, config, data, options.images)
                print(f"forward, plain fp32 contiguous / fast: {middle(ratios)}, {torch.get_num_threads()} threads")
                held.append(check("forward speed-up", statistics.median(ratios), 1.5, at_most=False))
            print(f"layer {layer} of {model}: {layers[0].units} units of {layers[0].map_size[0]} x {layers[0].map_size[1]}")
            floor = 1.15 if position == 0 and options.images >= 2000 else None
            held += measure(request, folder / f"home-{position}", network, data, layers, options.repeats, floor)
    leave(held)


def measure(
    request: RunRequest,
    home: Path,
    network: LoadedNetwork,
    data: ProbeSet,
    layers: tuple[LayerInfo, ...],
    repeats: int,
    floor: float | None,
) -> list[bool]:
    """One layer: a cold run, a run on another layer that keeps the label signatures in use, then bare and warm runs in turns."""
    config = Config(home=home, database_url=f"sqlite:///{home / 'dissect.db'}")
    bares, runs = [], []
    with Store.open(config.database_url) as store:
        cold, run = whole(request, config, store)
        whole(replace(request, layers=("avgpool",)), config, store)
        for _ in range(repeats):
            delete_run(store, config, run)
            bares.append(bare(network, data, layers, 32))
            took, run = whole(request, config, store)
            runs.append(took)
    ratios = [took / base for took, base in zip(runs, bares, strict=True)]
    per_image = 1000 / len(data.records)
    print(f"  bare forward with decoding: {middle([each * per_image for each in bares])} ms an image")
    print(f"  whole run, labels warm: {middle([each * per_image for each in runs])} ms an image; cold: {cold * per_image:.4g} ms")
    if floor is not None:
        return [check("whole run / bare forward", statistics.median(ratios), floor, at_most=True)]
    print(f"  whole run / bare forward: {middle(ratios)} (no floor for this layer)")
    return []


if __name__ == "__main__":
    main()
