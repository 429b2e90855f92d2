"""Reading weights without running anybody's code. The only caller of `torch.load`.

safetensors files hold nothing but tensors. Pickled checkpoints are read with `weights_only=True`; what that refuses is refused here,
in words. Files are told apart by their content, not by their suffix.
"""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from dissect.errors import CheckpointError, NotFoundError

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "params", "weights")
EMA_WRAPPERS = ("model_ema", "state_dict_ema", "ema_state_dict", "ema_model", "ema", "params_ema")
DEEPEST = 6
"""Wrappers within wrappers that are opened; a checkpoint that holds itself would never end."""

_CONTENTS = (
    (b"\x89HDF", "an HDF5 file (Keras)"),
    (b"\x1f\x8b", "a gzip file"),
    (b"{", "JSON text"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x08", "perhaps an ONNX or protobuf file"),
    (b"<", "HTML or XML text, perhaps a failed download"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
)


@dataclass(frozen=True)
class Checkpoint:
    """Named tensors of a weights file, on the CPU, and what was decided on the way."""

    path: Path
    tensors: Mapping[str, torch.Tensor]
    notes: tuple[str, ...] = ()


def read_checkpoint(path: Path, trust: bool = False, ema: bool = False) -> Checkpoint:
    """All named tensors of a weights file.

    trust: let a pickle run code, if the safe way refuses it; only ever set by the person at the command line.
    ema: take the averaged copy where the file holds one beside the trained weights.

    Raises:
        NotFoundError: there is no such file.
        CheckpointError: it cannot be read safely, or holds no named tensors.
    """
    start = _checked_start(path)
    if _is_safetensors(path, start):
        return _named(path, _read_safetensors(path), ema, [])
    value, notes = _read_pickle(path, start, trust)
    return _named(path, value, ema, notes)


def read_tree(path: Path, trust: bool = False, tables: Sequence[str] = ()) -> tuple[object, tuple[str, ...]]:
    """All that a pickled checkpoint holds, as it is nested (tables, lists, tensors, text, numbers, bytes), and notes.

    For files whose tensors mean something only beside the settings they are stored with. trust: see `read_checkpoint`. tables: dotted
    names of dict classes of other libraries, which are then read as plain tables; the classes themselves are never imported.

    Raises:
        NotFoundError: there is no such file.
        CheckpointError: it cannot be read safely, or holds tensors only (safetensors).
    """
    start = _checked_start(path)
    if _is_safetensors(path, start):
        raise CheckpointError(f"{path} is a safetensors file: it holds tensors and no settings. Give the file saved by torch.")
    with torch.serialization.safe_globals([(OrderedDict, name) for name in tables]):
        value, notes = _read_pickle(path, start, trust)
    return value, tuple(notes)


def _checked_start(path: Path) -> bytes:
    """The first bytes of a file that is there and not empty."""
    if not path.exists():
        raise NotFoundError(f"there is no weights file {path}. Check the name given with --weights or in the card.")
    if not path.is_file():
        raise CheckpointError(f"{path} is a folder, not a weights file. Name the file inside it.")
    start = _start(path)
    if not start:
        raise CheckpointError(f"{path} is empty: the download or copy failed. Fetch it again.")
    return start


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be opened: {error.strerror}. Check its permissions.") from error


def _is_safetensors(path: Path, start: bytes) -> bool:
    """An 8-byte length and then a JSON object; or the suffix says so and the content is no pickle or zip."""
    looks = len(start) > 8 and start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 1 << 40
    return looks or (path.suffix == ".safetensors" and start[:2] not in (b"PK", b"\x80\x02"))


def _read_safetensors(path: Path) -> Mapping[str, torch.Tensor]:
    try:
        tensors: Mapping[str, torch.Tensor] = safetensors.torch.load_file(path, device="cpu")
    except Exception as error:  # the library raises its own error, and others for odd dtypes and sizes
        raise CheckpointError(f"{path} is a damaged safetensors file ({_line(error)}). Fetch or save it again.") from error
    return tensors


def _read_pickle(path: Path, start: bytes, trust: bool) -> tuple[object, list[str]]:
    """Safely first, also when trusted: most files do not need the trust."""
    failure = Exception()
    for safe in (True, False) if trust else (True,):
        try:
            # opened here, because by name torch would go by the suffix
            with warnings.catch_warnings(), path.open("rb") as file:
                warnings.simplefilter("ignore")
                value: object = torch.load(file, map_location="cpu", weights_only=safe)
        except Exception as error:  # a damaged pickle raises whatever its bytes happen to mean
            failure = error if safe else failure
            if not safe:
                raise CheckpointError(f"{path} cannot be read even when trusted ({_line(error)}). Fetch or save it again.") from error
            continue
        notes = [] if safe else [f"{path} was TRUSTED: it is a pickle that may run any code, and it was run. Save it as safetensors now."]
        return value, notes
    raise CheckpointError(_refusal(path, start, failure)) from failure


def _refusal(path: Path, start: bytes, error: Exception) -> str:
    match = re.search(r"(?:GLOBAL|[Uu]nsupported class) ([A-Za-z_][\w.]*)", str(error))
    if match:
        return (
            f"{path} cannot be read safely: it holds a pickled {match.group(1)}. Save its state_dict as safetensors, "
            "or pass --trust-checkpoint if you made the file yourself."
        )
    for magic, meaning in _CONTENTS:
        if start.startswith(magic):
            return f"{path} is no checkpoint: it looks like {meaning}. Give a safetensors file or a saved state_dict."
    return (
        f"{path} cannot be read safely: it is damaged, or no checkpoint ({_line(error)}). Fetch it again, or save its state_dict "
        "as safetensors."
    )


def _named(path: Path, value: object, ema: bool, notes: list[str]) -> Checkpoint:
    """Open wrappers until there are named tensors."""
    averaged = False
    for _ in range(DEEPEST):
        if isinstance(value, torch.nn.Module):
            value = value.state_dict()
        if not isinstance(value, Mapping):
            break
        wrapper = _wrapper(value, ema and not averaged)
        if wrapper is None:
            break
        others = [name for name in (*WRAPPERS, *EMA_WRAPPERS) if name != wrapper and isinstance(value.get(name), Mapping)]
        averaged = averaged or wrapper in EMA_WRAPPERS
        notes.append(f"took '{wrapper}' of {path.name}" + (f", not {', '.join(repr(name) for name in others)}" if others else ""))
        value = value[wrapper]
    tensors = _tensors(value)
    if not tensors:
        raise CheckpointError(f"{path} holds no named tensors, but {_kind(value)}. Save the network's state_dict as safetensors.")
    if ema and not averaged:
        raise CheckpointError(f"{path} holds no averaged (EMA) copy. Leave the option --ema out to take the weights it holds.")
    _refuse_odd(path, tensors)
    return Checkpoint(path, tensors, tuple(notes))


def _wrapper(value: Mapping[object, object], ema: bool) -> str | None:
    """The key under which the tensors are; a plain copy before an averaged one, unless asked."""
    if value and all(isinstance(item, torch.Tensor) for item in value.values()):
        return None
    order = (*EMA_WRAPPERS, *WRAPPERS) if ema else (*WRAPPERS, *EMA_WRAPPERS)
    return next((name for name in order if isinstance(value.get(name), Mapping | torch.nn.Module) and value[name]), None)


def _tensors(value: object) -> dict[str, torch.Tensor]:
    if not isinstance(value, Mapping):
        return {}
    return {name: item.detach() for name, item in value.items() if isinstance(name, str) and isinstance(item, torch.Tensor)}


def _refuse_odd(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.device.type != "cpu":
            raise CheckpointError(
                f"{path}: tensor {name} is sparse, quantised, complex or without data. Save it as a dense float tensor (safetensors)."
            )


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        keys = ", ".join(str(key)[:40] for key in list(value)[:6])
        return f"a table of {keys}" if keys else "an empty table"
    return f"a {type(value).__name__}"


def _line(error: Exception) -> str:
    """One short line of a foreign error, or its class where it says nothing."""
    text = " ".join(re.sub(r"\x1b\[\d*m", "", str(error)).split()).rstrip(".")
    return f"{type(error).__name__}: {text[:160]}" if text else type(error).__name__
