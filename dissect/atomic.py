"""The only place that writes files. A file is there whole, or not at all, also after a kill or a full disk.

Order: temporary file in the same folder, write, fsync, `os.replace`, fsync of the folder. A temporary file carries its writer's
process number, so that one left by a killed process is recognised and removed (`sweep`), and one being written is left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from dissect.errors import StorageError

_TEMPORARY = re.compile(r"^\..*\.(\d+)\.tmp$")


def temporary_path(path: Path) -> Path:
    """The hidden name beside `path` under which this process writes it."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file for `path`; on a clean exit it becomes `path`, on an error it is removed.

    Raises:
        StorageError: the operating system refused (full disk, read-only folder, I/O error); `path` is as it was.
    """
    temporary = temporary_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        _remove(temporary)
        raise StorageError(_message(path, error)) from error
    except BaseException:
        _remove(temporary)
        raise


def write_bytes(path: Path, data: bytes) -> str:
    """Write `data` to `path`, whole or not at all. Returns its SHA-256 in hex."""
    with writing(path) as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


def write_text(path: Path, text: str) -> str:
    """Write `text` as UTF-8 to `path`, whole or not at all. Returns its SHA-256 in hex."""
    return write_bytes(path, text.encode())


def write_with(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a file by name (for libraries that open it themselves), then move it to `path`."""
    temporary = temporary_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        _remove(temporary)
        raise StorageError(_message(path, error)) from error
    except BaseException:
        _remove(temporary)
        raise


def provisional(path: Path, data: bytes) -> None:
    """Write `data` under the temporary name of `path`, to be settled or discarded by this process; not durable until then.

    Raises:
        StorageError: the operating system refused.
    """
    temporary = temporary_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w+b") as file:
            file.write(data)
    except OSError as error:
        _remove(temporary)
        raise StorageError(_message(path, error)) from error


def settle(path: Path) -> None:
    """Move what `provisional` wrote to `path`. Not forced to disk: for files that say themselves whether they are whole.

    Raises:
        StorageError: the operating system refused.
    """
    try:
        temporary_path(path).replace(path)
    except OSError as error:
        _remove(temporary_path(path))
        raise StorageError(_message(path, error)) from error


def discard(path: Path) -> None:
    """Remove what `provisional` wrote for `path`."""
    _remove(temporary_path(path))


@contextlib.contextmanager
def writing_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder`, to be filled with `write_inside`; on a clean exit it becomes `folder`, on an error it goes.

    For thousands of small files that can be made again: they are not forced to disk one by one, so whoever reads the folder after a
    power failure must be able to tell that it is not whole. If another process put `folder` there meanwhile, that one stays and ours
    is dropped.

    Raises:
        StorageError: the operating system refused (full disk, read-only folder, I/O error); nothing is left behind.
    """
    temporary = temporary_path(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        yield temporary
        if not folder.is_dir():
            temporary.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise StorageError(_message(folder, error)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_inside(path: Path, data: bytes) -> None:
    """Write a file into a folder that nobody else sees yet (see `writing_folder`).

    Raises:
        StorageError: the operating system refused, or the folder is gone.
    """
    try:
        path.write_bytes(data)
    except OSError as error:
        raise StorageError(_message(path, error)) from error


def sync_folder(folder: Path) -> None:
    """Make the folder's own entries durable (a no-op where folders cannot be opened)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(folder: Path) -> None:
    """Remove a folder and all that is in it.

    Raises:
        StorageError: the operating system refused; some of it may be gone.
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"cannot remove {folder}: {error.strerror or error}. Check who owns it, then run again.") from error


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, in hex, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sweep(folder: Path) -> int:
    """Remove temporary files and folders below `folder` whose process is gone. Returns how many."""
    removed = 0
    for path in list(folder.rglob(".*.tmp")) if folder.is_dir() else ():
        match = _TEMPORARY.match(path.name)
        if match and not _alive(int(match.group(1))):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                _remove(path)
            removed += 1
    return removed


def _alive(process: int) -> bool:
    if process == os.getpid():
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _message(path: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"cannot write {path}: {reason}. Free space or choose another folder with DISSECT_HOME, then run the same command again."
