"""Settings of one invocation. Resolved once (in `cli/` or by the caller of the Python API), then handed down frozen."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dissect.errors import UsageError

SETTINGS = {
    "home": "folder of the database, the caches and rendered data sets (DISSECT_HOME; default: the platform's data folder)",
    "database_url": "SQLAlchemy URL of the database (DISSECT_DATABASE_URL; default: a SQLite file in home)",
    "cache_limit": "most bytes the activation cache may take (DISSECT_CACHE_LIMIT; default 20 GB)",
    "device": "auto, cpu, cuda or mps (DISSECT_DEVICE; default auto)",
    "batch_size": "images a forward pass (DISSECT_BATCH_SIZE; default 32)",
    "data_root": "folder in which the relative roots of data-set cards are looked up (DISSECT_DATA_ROOT; default: none)",
    "cards": "further folders with cards, searched before the shipped ones (DISSECT_CARDS, separated like PATH)",
}


@dataclass(frozen=True)
class Config:
    """What `dissect.toml`, the environment and the options came to."""

    home: Path
    database_url: str
    cache_limit: int = 20_000_000_000
    device: str = "auto"
    batch_size: int = 32
    cards: tuple[Path, ...] = field(default=())
    data_root: Path | None = None

    @property
    def cache(self) -> Path:
        """The folder of all cached shards."""
        return self.home / "cache"


def resolve(environment: Mapping[str, str], file: Path | None = None, **options: object) -> Config:
    """Defaults, then `file` (or ./dissect.toml), then the environment, then `options` that are not None.

    Raises:
        UsageError: a setting is unknown or has the wrong type; the message names where it came from.
    """
    values: dict[str, object] = {}
    for source, found in (
        ("dissect.toml", _from_file(file)),
        ("the environment", _from_environment(environment)),
        ("the command line", {name: value for name, value in options.items() if value is not None}),
    ):
        unknown = sorted(set(found) - set(SETTINGS))
        if unknown:
            raise UsageError(f"{source} sets {', '.join(unknown)}, which is no setting. Settings: {', '.join(SETTINGS)}.")
        values.update(found)
    home = Path(str(values.get("home") or _default_home(environment))).expanduser().absolute()
    return Config(
        home=home,
        database_url=str(values.get("database_url") or f"sqlite:///{home / 'dissect.db'}"),
        cache_limit=parse_bytes(values.get("cache_limit", 20_000_000_000)),
        device=_choice("device", values.get("device", "auto"), ("auto", "cpu", "cuda", "mps")),
        batch_size=_positive("batch_size", values.get("batch_size", 32)),
        cards=_folders(values.get("cards", ())),
        data_root=_folder("data_root", values.get("data_root")),
    )


def parse_bytes(value: object) -> int:
    """A number of bytes: 2000000, "500MB", "1.5 GiB".

    Raises:
        UsageError: not a size, or below 1.
    """
    units = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
    text = str(value).strip().lower().replace(" ", "").replace("_", "")
    number = text.rstrip("kmgtib")
    try:
        size = int(float(number) * units[text[len(number) :]])
    except (KeyError, ValueError, OverflowError):
        size = 0
    if size < 1:
        raise UsageError(f"{value!r} is not a size in bytes. Write it as 2000000, 500MB or 1.5GiB.")
    return size


def _from_file(file: Path | None) -> dict[str, object]:
    path = file or Path("dissect.toml")
    if file is None and not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read the settings file {path}: {error}. Mend it, or leave --config out.") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    names = {name: "DISSECT_" + name.upper() for name in SETTINGS}
    return {name: environment[variable] for name, variable in names.items() if environment.get(variable)}


def _default_home(environment: Mapping[str, str]) -> str:
    if os.name == "nt":
        return environment.get("LOCALAPPDATA", "~") + "/dissect"
    base = environment.get("XDG_DATA_HOME") or environment.get("HOME", "~") + "/.local/share"
    return base + "/dissect"


def _choice(name: str, value: object, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise UsageError(f"{name} is {value!r}. Choose one of {', '.join(choices)}.")
    return str(value)


def _positive(name: str, value: object) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if number < 1:
        raise UsageError(f"{name} is {value!r}. Give a whole number of at least 1.")
    return number


def _folder(name: str, value: object) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str | Path) or not str(value):
        raise UsageError(f"{name} is {value!r}. Give the path of a folder.")
    return Path(value).expanduser().absolute()


def _folders(value: object) -> tuple[Path, ...]:
    parts = value.split(os.pathsep) if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise UsageError(f"cards is {value!r}. Give a list of folders.")
    return tuple(Path(str(part)).expanduser() for part in parts if str(part))
