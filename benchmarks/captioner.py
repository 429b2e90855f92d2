"""How long the captioner of the embedded default takes: to be trained, and to describe a layer of 512 units after the probe.

    nice -n 10 python -m benchmarks.captioner --home FOLDER [--train] [--units 512] [--threads 2]

Describing: features of the embedded network for 15 exemplars a unit, then the shipped captioner with its own decoding (beam of 50,
reordered by PMI). Training (--train): decoder, language model and lambda, given units, texts and keys; these are gathered first (pictures
drawn, networks trained, their units described), and that time stands beside it. Floors: 60 s and 15 minutes, on 2 cores.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.common import check, leave, machine
from dissect.caption.decoding import Decoding, describe
from dissect.caption.files import read_captioner
from dissect.pipeline.captioner_networks import Member, recorded, taught
from dissect.pipeline.captioner_units import EXEMPLARS, Units, World, captioner_keys, joined, open_world, units_of
from dissect.pipeline.train_captioner import Plan, embedded, finish, gather, shipped_captioner
from dissect.probe.progress import progress_for


def some_units(world: World, count: int) -> Units:
    """So many units of untrained networks, which answer to as many different pictures as trained ones do."""
    parts: list[Units] = []
    for seed in range(100):
        maps = recorded(taught(Member("wide", seed, 0), world.pictures), world.pictures.pixels, 3)
        for layer, found in maps.items():
            left = count - sum(map(len, parts))
            parts += [units_of(f"wide-{seed}/{layer}", found, world, left)] if left else []
        if sum(map(len, parts)) == count:
            break
    return joined(parts)


def captioning(home: Path, count: int, pictures: int) -> float:
    """Seconds of describing so many units, whose exemplars are known."""
    network, saved = embedded(), read_captioner(shipped_captioner())
    world = open_world(home, network, pictures, 301, print)
    units = some_units(world, count)
    began = time.monotonic()
    keys = captioner_keys(units, world, network)
    features = time.monotonic() - began
    found = describe(saved.decoder.over(keys), saved.language_model, Decoding(length=saved.length, weight=saved.weight))
    seconds = time.monotonic() - began
    opened = len(np.unique(units.image))
    print(f"{len(units)} units, {EXEMPLARS} exemplars each, {opened} pictures: features {features:.1f} s, words {seconds - features:.1f} s")
    print(f"for example: {', '.join(some[0].text for some in found[:5])}")
    return seconds


def training(home: Path) -> float:
    """Seconds of training the captioner at its full size, given its lessons."""
    plan, progress = Plan(), progress_for(sys.stderr)
    began = time.monotonic()
    lessons, trial = gather(plan, home, embedded(), print, progress)
    print(f"gathered {len(lessons.texts):,} units in {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    saved = finish(lessons, trial, plan, print, progress)
    seconds = time.monotonic() - began
    print(f"captioner: {saved.facts['captioner']}")
    print(f"language model: {saved.facts['language_model']}")
    return seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """The command of the module's text."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.captioner", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--home", type=Path, required=True, help="folder for the drawn pictures")
    parser.add_argument("--units", type=int, default=512)
    parser.add_argument("--pictures", type=int, default=1500, help="to find exemplars among")
    parser.add_argument("--train", action="store_true", help="also train a captioner at full size")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    print(machine())
    held = [check(f"describing {options.units} units, s", captioning(options.home, options.units, options.pictures), 60, at_most=True)]
    if options.train:
        held.append(check("training the captioner, s", training(options.home), 15 * 60, at_most=True))
    leave(held)


if __name__ == "__main__":
    main()
