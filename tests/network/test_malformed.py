"""Malformed checkpoints, generated: no code of theirs runs, none ends in anything but our error, and it names file and remedy."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from dissect.errors import DissectError
from dissect.network.load import load_network
from dissect.network.preprocess import Preprocessing
from dissect.network.source import NetworkSpec

REMEDIES = ("Save", "Fetch", "Check", "Give", "Use", "pass --", "Name", "Leave")


def network() -> nn.Module:
    """The factory that the malformed files are loaded into."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


class Malicious:
    """Pickles into a call of `function`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], Any]:
        return self.call


def as_zip(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def as_legacy(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def with_code(marker: Path) -> Iterator[tuple[str, bytes]]:
    """Files that would create `marker` if any of their code ran."""
    command = f"touch {marker}"
    payloads: dict[str, Any] = {
        "system": Malicious(os.system, command),
        "popen": Malicious(os.popen, command),
        "exec": Malicious(exec, f"open({str(marker)!r}, 'w').close()"),
        "eval": Malicious(eval, f"open({str(marker)!r}, 'w').close()"),
        "open": Malicious(open, str(marker), "w"),
        "breakpoint": Malicious(breakpoint),
        "compile": Malicious(compile, "1", "x", "eval"),
        "path": Malicious(Path.touch, marker),
        "run": Malicious(subprocess.run, ["touch", str(marker)]),
        "hub": Malicious(torch.hub.load, str(marker.parent), "touch"),
        "loads": Malicious(pickle.loads, b"cos\nsystem\n(S'true'\ntR."),
    }
    good = network().state_dict()
    for name, payload in payloads.items():
        yield f"{name}.pkl", pickle.dumps(payload)
        for form, write in (("zip", as_zip), ("legacy", as_legacy)):
            yield f"{name}-{form}-bare.pt", write(payload)
            yield f"{name}-{form}-inside.pt", write({"state_dict": good, "extra": payload})
            yield f"{name}-{form}-key.pt", write({**good, "0.weight": payload})


def damaged() -> Iterator[tuple[str, bytes]]:
    """Truncations and single-bit flips in the structure of good files of every form."""
    good = network().state_dict()
    choose = random.Random(7)
    for form, data in (("zip", as_zip(good)), ("legacy", as_legacy(good)), ("safetensors", safetensors.torch.save(good))):
        suffix = "safetensors" if form == "safetensors" else "pt"
        for count in range(15):
            yield f"{form}-cut{count}.{suffix}", data[: len(data) * count // 15 + (count > 0)]
        start = 0 if form == "safetensors" else 1
        for count in range(15):
            place = choose.randrange(start, 120)
            flipped = bytearray(data)
            flipped[place] ^= 1 << choose.randrange(8)
            yield f"{form}-flip{count}.{suffix}", bytes(flipped)


def misfits() -> Iterator[tuple[str, bytes]]:
    """Readable files that are no weights of this network."""
    good = network().state_dict()
    for name in good:
        if good[name].is_floating_point():
            for word, value in (("nan", float("nan")), ("inf", float("inf"))):
                spoiled = {key: tensor.clone() for key, tensor in good.items()}
                spoiled[name].view(-1)[0] = value
                yield f"{word}-{name}.pt", as_zip(spoiled)
            yield f"shape-{name}.pt", as_zip({**good, name: torch.zeros(9, 9)})
            yield f"missing-{name}.safetensors", safetensors.torch.save({key: tensor for key, tensor in good.items() if key != name})
            yield f"scalar-{name}.pt", as_legacy({**good, name: torch.tensor(1.0)})
    for name, other in {"list": [1, 2], "number": 3, "none": None, "text": "x", "nested": {"a": {"b": {}}}, "bytes": b"x"}.items():
        yield f"{name}.pt", as_zip(other)
        yield f"{name}-legacy.pt", as_legacy(other)
    yield "sparse.pt", as_zip({**good, "0.bias": torch.zeros(4).to_sparse()})
    yield "complex.pt", as_zip({**good, "0.bias": torch.zeros(4, dtype=torch.complex64)})


def strangers() -> Iterator[tuple[str, bytes]]:
    """Other kinds of files, and headers that lie."""
    yield "empty.pt", b""
    yield "empty.safetensors", b""
    yield "json.pt", b'{"state_dict": {"0.weight": [1, 2]}}'
    yield "html.pt", b"<html>404</html>"
    yield "lfs.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
    yield "hdf5.pt", b"\x89HDF\r\n\x1a\n" + b"\0" * 100
    yield "png.pt", b"\x89PNG\r\n\x1a\n" + b"\0" * 100
    yield "gzip.pt", b"\x1f\x8b\x08" + b"\0" * 50
    yield "onnx.pt", b"\x08\x07\x12\x07pytorch" + b"\0" * 50
    yield "text.pt", b"just some words\n" * 20
    yield "noise.pt", random.Random(1).randbytes(5000)
    yield "noise.safetensors", random.Random(2).randbytes(5000)
    for length in (0, 1, 2**31, 2**40 - 1, 2**63, 2**64 - 1):
        yield f"header{length}.safetensors", struct.pack("<Q", length) + b'{"a":{}}'
    for name, header in {
        "overlong": {"a": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}},
        "negative": {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
        "crossed": {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}},
        "dtype": {"a": {"dtype": "F7", "shape": [1], "data_offsets": [0, 4]}},
        "nothing": {},
    }.items():
        text = json.dumps(header).encode()
        yield f"{name}.safetensors", struct.pack("<Q", len(text)) + text + b"\0" * 4
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    yield "old.tar", buffer.getvalue()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("archive/data.pkl", b"\x80\x02.")
    yield "hollow.zip", buffer.getvalue()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("../../evil", b"x")
    yield "climbing.zip", buffer.getvalue()


def outcome(path: Path, trust: bool = False) -> str:
    """`loaded`, or the message of our own error; anything else fails the test."""
    spec = NetworkSpec("tests.network.test_malformed:network", weights=path, preprocessing=Preprocessing((8, 8)), fast=False, trust=trust)
    try:
        load_network(spec)
    except DissectError as error:
        return str(error)
    return "loaded"


@pytest.mark.parametrize("kind", ["with_code", "damaged", "misfits", "strangers"])
def test_malformed_checkpoints_are_refused_by_name_with_a_remedy(kind: str, tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    makers: dict[str, Callable[[], Iterator[tuple[str, bytes]]]] = {
        "with_code": lambda: with_code(marker), "damaged": damaged, "misfits": misfits, "strangers": strangers,
    }  # fmt: skip
    least = {"with_code": 70, "damaged": 65, "misfits": 40, "strangers": 25}[kind]
    count = 0
    for name, data in makers[kind]():
        path = tmp_path / name
        path.write_bytes(data)
        message = outcome(path)
        assert not marker.exists(), f"{name} ran its code"
        if message == "loaded":
            assert "flip" in name, name  # a flipped bit of a name or a weight nobody checks may leave a readable file
            continue
        assert name in message and any(word in message for word in REMEDIES), message
        assert "\n" not in message and len(message) < 900
        count += 1
    assert count >= least


def test_code_runs_only_for_whoever_trusts_the_file(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    path = tmp_path / "a.pt"
    path.write_bytes(as_zip({"state_dict": network().state_dict(), "extra": Malicious(Path.touch, marker)}))
    assert "--trust-checkpoint" in outcome(path) and not marker.exists()
    assert outcome(path, trust=True) == "loaded" and marker.exists()
