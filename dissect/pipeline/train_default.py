"""Trains the embedded default network on the drawn set, from image-level labels only, and writes its weights and its card.

    python -m dissect.pipeline.train_default --home FOLDER            draw the pictures, train, evaluate, write models/demo.*
    python -m dissect.pipeline.train_default --home FOLDER --evaluate  only measure the shipped weights on the held-out pictures

The network learns which scene a picture shows and which concepts are somewhere in it, never where: units that find things
by themselves are what a dissection is to find. The held-out pictures are the demo set (another seed).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import nn

from dissect import atomic
from dissect.concepts.card import load_card
from dissect.concepts.images import open_image
from dissect.concepts.model import ProbeSet
from dissect.concepts.open import open_set
from dissect.concepts.procedural import TRAINING_SEED
from dissect.concepts.procedural.names import CONCEPTS, SCENES
from dissect.network.checkpoint import read_checkpoint
from dissect.network.demo_net import DemoNet, demo_net
from dissect.network.fit import fit
from dissect.paths import shipped

Net = TypeVar("Net", bound=nn.Module)

MEAN, STD = 0.45, 0.25
"""Of all channels, of pixels in 0..1."""
SEEN = 6
"""Label pixels (of 4,096) from which a concept counts as present."""
BATCH = 64
IMAGES = 8000
EPOCHS = 12
SCENE_PLACES = [CONCEPTS.index(name) for name in SCENES]
OTHER_PLACES = [place for place in range(len(CONCEPTS)) if place not in SCENE_PLACES]


@dataclass(frozen=True)
class Pictures:
    """pixels: uint8 (N, 3, 128, 128). present: bool (N, 145), by concept."""

    pixels: torch.Tensor
    present: torch.Tensor


@dataclass(frozen=True)
class Scores:
    """On pictures the network never saw: share of scenes named right; means over concepts of average precision and AUROC."""

    images: int
    scene_accuracy: float
    mean_average_precision: float
    mean_auroc: float


def load_pictures(probe_set: ProbeSet) -> Pictures:
    """Read a drawn set into memory: pixels, and which concepts each picture holds."""
    pixels = torch.empty((len(probe_set.records), 3, 128, 128), dtype=torch.uint8)
    present = torch.zeros((len(probe_set.records), len(CONCEPTS)), dtype=torch.bool)
    for record in probe_set.records:
        pixels[record.index] = torch.from_numpy(np.asarray(open_image(record.path)).copy()).permute(2, 0, 1)
        labels = probe_set.labels(record.index)
        counts = np.zeros(len(CONCEPTS) + 1, dtype=np.int64)
        for plane in labels.planes:
            counts += np.bincount(plane.ids.ravel(), minlength=len(CONCEPTS) + 1)
        counts[list(labels.whole)] = SEEN
        present[record.index] = torch.from_numpy(counts[1:] >= SEEN)
    return Pictures(pixels, present)


def learn(pictures: Pictures, *, epochs: int, seed: int, device: str = "cpu", say: Callable[[str], None] = print) -> DemoNet:
    """The embedded network, taught from fresh weights; see `teach`."""
    return teach(demo_net(seed), pictures, epochs=epochs, seed=seed, device=device, say=say)


def teach(
    network: Net, pictures: Pictures, *, epochs: int, seed: int, device: str = "cpu", say: Callable[[str], None] = print
) -> Net:  # fmt: skip
    """AdamW with a one-cycle rate over shuffled batches; pictures are mirrored, shifted and lit differently each time.

    network: one that takes (B, 3, 128, 128) and gives a logit for each concept; it is changed, and given back in evaluation mode.
    """
    generator = torch.Generator().manual_seed(seed)
    network.train()
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps = len(pictures.pixels) // BATCH
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=0.02)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=epochs * steps, pct_start=0.2)
    started = time.process_time()
    for epoch in range(epochs):
        order, total = torch.randperm(len(pictures.pixels), generator=generator), 0.0
        for step in range(steps):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            given = augmented(pictures.pixels[chosen], generator).to(device)
            loss = objective(network(given), pictures.present[chosen].to(device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            rate.step()
            total += loss.item()
        say(f"epoch {epoch + 1} of {epochs}: loss {total / steps:.4f}, {time.process_time() - started:.0f} CPU s")
    network.to("cpu").eval()
    return network


def objective(logits: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Cross-entropy over scenes, where there is one, plus binary cross-entropy over all other concepts. Shapes (B, 145)."""
    scenes = present[:, SCENE_PLACES]
    seen = scenes.any(dim=1)
    target = scenes[seen].float().argmax(dim=1)
    scene = nn.functional.cross_entropy(logits[seen][:, SCENE_PLACES], target) if bool(seen.any()) else logits.sum() * 0
    other = nn.functional.binary_cross_entropy_with_logits(logits[:, OTHER_PLACES], present[:, OTHER_PLACES].float())
    return 0.3 * scene + 4 * other


def augmented(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """uint8 (B, 3, 128, 128) to prepared input, mirrored half the time, shifted up to 6 pixels, up to 20 % brighter or darker."""
    count = len(pixels)
    mirrored = torch.rand(count, generator=generator) < 0.5
    pixels = torch.where(mirrored[:, None, None, None], pixels.flip(3), pixels)
    down, across = (int(torch.randint(-6, 7, (), generator=generator)) for _ in range(2))
    gain = 0.8 + 0.4 * torch.rand((count, 1, 1, 1), generator=generator)
    return prepared(torch.roll(pixels, (down, across), (2, 3)), gain)


def prepared(pixels: torch.Tensor, gain: torch.Tensor | float = 1.0) -> torch.Tensor:
    """uint8 pixels to the network's input, as the card's preprocessing does."""
    return ((pixels.float() * gain / 255 - MEAN) / STD).contiguous(memory_format=torch.channels_last)


def evaluate(network: DemoNet, pictures: Pictures) -> Scores:
    """How well the network does on these pictures."""
    with torch.inference_mode():
        logits = torch.cat([network.eval()(prepared(part)) for part in torch.split(pictures.pixels, BATCH)]).numpy()
    present = pictures.present.numpy()
    scenes = present[:, SCENE_PLACES]
    shown = scenes.any(axis=1)
    right = logits[shown][:, SCENE_PLACES].argmax(axis=1) == scenes[shown].argmax(axis=1)
    tested = [place for place in OTHER_PLACES if 10 <= present[:, place].sum() <= len(present) - 10]
    pairs = [ranked(logits[:, place], present[:, place]) for place in tested]
    precision, auroc = np.array(pairs).mean(axis=0)
    return Scores(len(present), float(right.mean()), float(precision), float(auroc))


def ranked(scores: NDArray[np.float32], positive: NDArray[np.bool_]) -> tuple[float, float]:
    """Average precision and AUROC of scores (N,) for a yes-or-no label (N,)."""
    hits = positive[np.argsort(-scores, kind="stable")]
    ranks = np.arange(1, len(hits) + 1)
    precision = (hits.cumsum() / ranks)[hits].mean()
    positives, negatives = int(hits.sum()), int((~hits).sum())
    below = (len(hits) - ranks[hits]).sum() - positives * (positives - 1) / 2
    return float(precision), float(below / (positives * negatives))


def stored(network: DemoNet) -> bytes:
    """The weights as a safetensors file in half precision; batch counters are left out."""
    tensors = {name: value.half().contiguous() for name, value in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    data: bytes = safetensors.torch.save(tensors)
    return data


def restored(path: Path) -> DemoNet:
    """The network with stored weights."""
    network = demo_net()
    fit(network, read_checkpoint(path))
    network.eval()
    return network


def card_text(scores: Scores, weights: str, sha256: str, images: int, epochs: int) -> str:
    """The card of these weights, with what they were trained on and how well they do."""
    names = ", ".join(f'"{name}"' for name in CONCEPTS)
    return f'''name = "demo"
title = "Embedded default: six convolutions, trained on drawn pictures"
source = "dissect.network.demo_net:demo_net"
weights = "{weights}"
sha256 = "{sha256}"
layers = ["layer4", "layer6"]
licence = "MIT"

# Trained on {images} drawn pictures (seed {TRAINING_SEED}), {epochs} epochs, from image-level labels only. Weights are float16.
# On the {scores.images} pictures of the demo set, which it never saw:
#     scene accuracy of {len(SCENES)} scenes                 {scores.scene_accuracy:.3f}
#     mean average precision over concepts   {scores.mean_average_precision:.3f}
#     mean AUROC over concepts               {scores.mean_auroc:.3f}
# Made by:      python -m dissect.pipeline.train_default --home FOLDER
# Measured by:  python -m dissect.pipeline.train_default --home FOLDER --evaluate
classes = [{names}]

[preprocessing]
size = 128
resize = "squash"
interpolation = "bilinear"
mean = [{MEAN}, {MEAN}, {MEAN}]
std = [{STD}, {STD}, {STD}]
'''


def drawn(home: Path, images: int, seed: int, say: Callable[[str], None] = print) -> Pictures:
    """The drawn set of this size and seed, rendered below `home` unless it is there."""
    card = load_card("demo")
    if (images, seed) != (card.options["images"], card.options["seed"]):
        card = replace(card, name="training", options={**card.options, "images": images, "seed": seed})
    say(f"{images} pictures with seed {seed}")
    return load_pictures(open_set(card, home=home))


def train(
    output: Path,
    home: Path,
    *,
    images: int = IMAGES,
    epochs: int = EPOCHS,
    seed: int = 0,
    device: str = "cpu",
    say: Callable[[str], None] = print,
) -> Mapping[str, int | float | str]:
    """Draw, train, measure, and write the weights to `output` and their card beside it. Returns the card's figures.

    Raises:
        StorageError: a file could not be written.
    """
    network = learn(drawn(home, images, TRAINING_SEED, say), epochs=epochs, seed=seed, device=device, say=say)
    sha256 = atomic.write_bytes(output, stored(network))
    scores = measured(output, home, say)
    atomic.write_text(output.with_suffix(".toml"), card_text(scores, output.name, sha256, images, epochs))
    return asdict(scores)


def evaluate_shipped(home: Path, say: Callable[[str], None] = print) -> Mapping[str, int | float | str]:
    """The figures of the shipped weights on the demo set."""
    return asdict(measured(shipped("models") / "demo.safetensors", home, say))


def measured(weights: Path, home: Path, say: Callable[[str], None]) -> Scores:
    """Figures of stored weights on the demo set."""
    demo = load_card("demo").options
    return evaluate(restored(weights), drawn(home, int(str(demo["images"])), int(str(demo["seed"])), say))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's text."""
    parser = argparse.ArgumentParser(prog="python -m dissect.pipeline.train_default", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--home", type=Path, required=True, help="folder for the drawn pictures")
    parser.add_argument("--output", type=Path, default=None, help="file of the weights, the card beside it (default: the shipped ones)")
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=0, help="of the weights and of the order of pictures")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--evaluate", action="store_true", help="only measure the shipped weights")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    if options.evaluate:
        figures = evaluate_shipped(options.home)
    else:
        output = options.output or shipped("models") / "demo.safetensors"
        figures = train(output, options.home, images=options.images, epochs=options.epochs, seed=options.seed, device=options.device)
    for name, value in figures.items():
        print(f"{name:24} {value if isinstance(value, int) else format(value, '.3f')}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
