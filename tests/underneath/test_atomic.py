"""Files are there whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from dissect import atomic
from dissect.errors import StorageError


def test_a_written_file_is_whole_and_no_temporary_is_left(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file.bin"
    digest = atomic.write_bytes(path, b"abc")
    assert path.read_bytes() == b"abc"
    assert digest == atomic.sha256_file(path)
    assert [item.name for item in path.parent.iterdir()] == ["file.bin"]


def test_a_failing_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    atomic.write_bytes(path, b"old")
    with pytest.raises(RuntimeError), atomic.writing(path) as file:
        file.write(b"half of the new")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_refusing_disk_names_the_file_and_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    path = tmp_path / "file.bin"
    atomic.write_bytes(path, b"old")

    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    else:
        monkeypatch.setattr(Path, call, refuse)
    with pytest.raises(StorageError, match=r"file\.bin.*(space|error)"):
        atomic.write_bytes(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_write_with_hands_over_a_name_and_moves_the_result(tmp_path: Path) -> None:
    def fill(path: Path) -> None:
        path.write_text("by name")

    atomic.write_with(tmp_path / "file.txt", fill)
    assert (tmp_path / "file.txt").read_text() == "by name"


def test_sweep_removes_what_dead_processes_left_and_spares_ours(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    dead, ours, other = tmp_path / f".a.bin.{child}.tmp", tmp_path / f".b.bin.{os.getpid()}.tmp", tmp_path / "c.tmp"
    for path in (dead, ours, other):
        path.write_bytes(b"")
    assert atomic.sweep(tmp_path) == 1
    assert not dead.exists() and ours.exists() and other.exists()
    assert atomic.sweep(tmp_path / "absent") == 0
