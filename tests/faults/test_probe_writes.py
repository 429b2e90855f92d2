"""R2: the n-th write, fsync, replace or check-in fails, for every n; R12: folders that cannot be written to."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from dissect.errors import DissectError, StorageError, StoreError
from dissect.probe.ledger import Claim, MemoryLedger
from dissect.probe.runner import ProbeResult
from tests.probe.fakes import DEFAULT_LAYERS, FakeNetwork, FakeSet
from tests.probe.helpers import result_hash, run, tree


class Faults:
    """Counts operations of one kind, and lets the n-th fail."""

    def __init__(self) -> None:
        self.count = 0
        self.fail_at = 0
        self.code = errno.ENOSPC

    def pass_by(self) -> None:
        self.count += 1
        if self.count == self.fail_at:
            raise OSError(self.code, os.strerror(self.code))


class FaultyFile:
    """An open file whose writes pass by `faults`."""

    def __init__(self, file: IO[bytes], faults: Faults) -> None:
        self._file, self._faults = file, faults

    def write(self, data: bytes) -> int:
        self._faults.pass_by()
        return self._file.write(data)

    def __enter__(self) -> FaultyFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class FaultyLedger(MemoryLedger):
    """Check-ins pass by `faults`."""

    faults = Faults()

    def complete(self, claim: Claim, *rest: Any) -> None:
        try:
            self.faults.pass_by()
        except OSError as error:
            raise StoreError(f"cannot write the database: {error.strerror}. Free space and run again.") from error
        super().complete(claim, *rest)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Faults]:
    """Faults of the operation that the test's parameter names."""
    found = Faults()
    if request.param == "write":
        opened = Path.open

        def faulty_open(self: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
            file = opened(self, mode, *rest, **more)
            return FaultyFile(file, found) if mode == "w+b" else file

        monkeypatch.setattr(Path, "open", faulty_open)
    elif request.param == "complete":
        monkeypatch.setattr(FaultyLedger, "faults", found)
    else:
        whole = getattr(os, request.param)

        def faulty(*arguments: Any) -> Any:
            found.pass_by()
            return whole(*arguments)

        monkeypatch.setattr(os, request.param, faulty)
    yield found
    monkeypatch.undo()


def small(folder: Path, data: FakeSet, ledger: MemoryLedger) -> ProbeResult:
    return run(folder, FakeNetwork(all_layers=DEFAULT_LAYERS[1:2]), data, ledger, shard_images=4, exemplars=1, thumbnail_size=16)


@pytest.mark.parametrize("faults", ["write", "fsync", "replace", "complete"], indirect=True)
def test_whichever_operation_fails_nothing_is_corrupt_and_the_next_call_ends_the_work(
    tmp_path: Path, faults: Faults, request: pytest.FixtureRequest
) -> None:
    data = FakeSet(tmp_path / "images", count=6)
    expected = result_hash(small(tmp_path / "straight", data, FaultyLedger()))
    files, operations = tree(tmp_path / "straight"), faults.count
    assert operations >= 6
    step = 1 if request.config.getoption("--long") else max(1, operations // 25)
    for number in range(1, operations + 1, step):
        folder, ledger = tmp_path / str(number), FaultyLedger()
        faults.count, faults.fail_at, faults.code = 0, number, (errno.ENOSPC, errno.EIO)[number % 2]
        with pytest.raises(DissectError) as caught:
            small(folder, data, ledger)
        assert caught.value.exit_code == 1
        assert os.strerror(faults.code) in str(caught.value)
        if isinstance(caught.value, StorageError):
            assert str(folder / "cache") in str(caught.value), "the message names the file"
        assert [name for name in tree(folder) if Path(name).name.startswith(".")] == [], "no temporary file is left"
        assert tree(folder).items() <= files.items(), "what is there is whole"
        faults.fail_at = 0
        assert result_hash(small(folder, data, ledger)) == expected
        assert tree(folder) == files


def test_a_cache_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    data = FakeSet(tmp_path / "images", count=3)
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match=f"cannot write {tmp_path / 'cache'}"):
        small(tmp_path, data, MemoryLedger())


def test_a_read_only_folder_is_named_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = FakeSet(tmp_path / "images", count=3)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StorageError, match=r"Read-only file system\. .*DISSECT_HOME"):
        small(tmp_path, data, MemoryLedger())


def test_a_clock_set_back_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, ledger = FakeSet(tmp_path / "images", count=6), MemoryLedger()
    first = small(tmp_path, data, ledger)
    for path in (tmp_path / "cache").rglob("*"):
        os.utime(path, (4e9, 4e9))
    monkeypatch.setattr("time.time", lambda: 1e8)
    again = small(tmp_path, data, ledger)
    assert again.forward_images == 0
    assert result_hash(again) == result_hash(first)
