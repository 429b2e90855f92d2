"""Putting named tensors into a network: which names agree, which do not, and the refusal of anything that does not fit whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from dissect.errors import CheckpointError
from dissect.network.checkpoint import Checkpoint

PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
"""Left by DataParallel, torch.compile and training frameworks."""
COUNTERS = ("num_batches_tracked",)
"""Buffers that old checkpoints lack and that no forward pass reads."""
SHOWN = 5


@dataclass(frozen=True)
class FitReport:
    """Names of the network's tensors that matched, are missing or have another shape, and names only the file has."""

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    wrong_shape: tuple[str, ...]
    prefix: str = ""

    @property
    def whole(self) -> bool:
        """Whether every tensor found its place, on both sides."""
        return not (self.missing or self.unexpected or self.wrong_shape)

    def sentence(self) -> str:
        """The counts and the first few names, for people."""
        parts = [f"{len(self.matched)} tensors match"]
        for word, names in (("missing", self.missing), ("unexpected", self.unexpected), ("of another shape", self.wrong_shape)):
            if names:
                parts.append(f"{len(names)} {word} ({_few(names)})")
        return "; ".join(parts)


def fit(module: torch.nn.Module, checkpoint: Checkpoint, partial: bool = False) -> FitReport:
    """Copy a checkpoint's tensors into a network.

    Raises:
        CheckpointError: tensors are missing, left over or of another shape and `partial` is not set; none matches at all; or the
            weights hold NaN or infinite values.
    """
    state = module.state_dict()
    prefix = _prefix(state, checkpoint.tensors)
    tensors = {_stripped(name, prefix): tensor for name, tensor in checkpoint.tensors.items()}
    report = compare(state, tensors, prefix)
    refuse_misfit(report, str(checkpoint.path), partial)
    chosen = {name: tensors[name] for name in report.matched}
    refuse_unfinite(chosen, str(checkpoint.path))
    try:
        module.load_state_dict(chosen, strict=False)
    except Exception as error:  # a module's own loading code may raise anything
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{checkpoint.path} does not fit the network: {reason}. Check the factory and its arguments.") from error
    return report


def compare(state: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor], prefix: str = "") -> FitReport:
    """Compare a network's own tensors with named ones. Counters of batches may be missing or left over."""
    shared = [name for name in state if name in tensors]
    wrong = {name for name in shared if _shape(state[name]) != _shape(tensors[name])}
    return FitReport(
        matched=tuple(name for name in shared if name not in wrong),
        missing=tuple(name for name in state if name not in tensors and not name.endswith(COUNTERS)),
        unexpected=tuple(name for name in tensors if name not in state and not name.endswith(COUNTERS)),
        wrong_shape=tuple(f"{name}: {_shape(tensors[name])}, not {_shape(state[name])}" for name in shared if name in wrong),
        prefix=prefix,
    )


def refuse_misfit(report: FitReport, path: str, partial: bool) -> None:
    """Raise unless every tensor has its place, or a partial load was asked for and something matches."""
    if not report.matched:
        raise CheckpointError(f"{path} fits no tensor of the network: {report.sentence()}. Check the factory and the file.")
    if not (report.whole or partial):
        raise CheckpointError(
            f"{path} does not fit the network: {report.sentence()}. Check the factory and its arguments, "
            "or pass --partial to load what matches."
        )


def refuse_unfinite(tensors: Mapping[str, torch.Tensor], path: str) -> None:
    """Raise at the first tensor that holds NaN or infinite values."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            kind = "NaN" if bool(torch.isnan(tensor).any()) else "infinite"
            raise CheckpointError(
                f"{path}: tensor {name} holds {kind} values, and so would every activation after it. Use an earlier checkpoint."
            )


def _prefix(state: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor]) -> str:
    """The chain of known prefixes whose removal makes most names agree; the shortest of equals."""
    best, most, chain = "", _agreeing(state, tensors, ""), ""
    while True:
        following = [prefix for prefix in PREFIXES if any(name.startswith(chain + prefix) for name in tensors)]
        if not following or len(chain) > 80:
            return best
        chain += max(following, key=lambda prefix: sum(name.startswith(chain + prefix) for name in tensors))
        agreeing = _agreeing(state, tensors, chain)
        if agreeing > most:
            best, most = chain, agreeing


def _agreeing(state: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor], prefix: str) -> int:
    return sum(_stripped(name, prefix) in state for name in tensors)


def _stripped(name: str, prefix: str) -> str:
    return name.removeprefix(prefix) if prefix else name


def _shape(tensor: torch.Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)


def _few(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:SHOWN]) + (f" and {len(every) - SHOWN} more" if len(every) > SHOWN else "")
