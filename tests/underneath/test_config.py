"""Defaults, file, environment, options: in this order, and nothing unknown passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dissect.config import SETTINGS, parse_bytes, resolve
from dissect.errors import UsageError


def test_defaults_follow_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = resolve({"HOME": "/home/someone"})
    assert config.home == Path("/home/someone/.local/share/dissect")
    assert config.database_url == "sqlite:////home/someone/.local/share/dissect/dissect.db"
    assert config.cache == config.home / "cache"
    assert resolve({"XDG_DATA_HOME": "/data", "HOME": "/home/someone"}).home == Path("/data/dissect")


def test_options_win_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dissect.toml").write_text('device = "cuda"\nbatch_size = 3\ncache_limit = "1GB"\n')
    assert (resolve({}).device, resolve({}).batch_size, resolve({}).cache_limit) == ("cuda", 3, 10**9)
    environment = {"DISSECT_DEVICE": "cpu", "DISSECT_BATCH_SIZE": "4"}
    assert (resolve(environment).device, resolve(environment).batch_size) == ("cpu", 4)
    assert resolve(environment, batch_size=5).batch_size == 5
    assert resolve(environment, batch_size=None).batch_size == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense = 1", "nonsense"),
        ("device = 'gpu'", "device"),
        ("batch_size = 0", "batch_size"),
        ("cards = 3", "cards"),
        ("[", "dissect.toml"),
    ],
)
def test_a_wrong_settings_file_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dissect.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        resolve({})


@pytest.mark.parametrize(
    ("text", "size"), [("2000", 2000), (2000, 2000), ("500MB", 500 * 10**6), ("1.5 GiB", 3 * 2**29), ("2_000 kb", 2_000_000), ("7 b", 7)]
)
def test_sizes_are_read_as_people_write_them(text: object, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "GB", "1 parsec", "nan", "inf", None])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(UsageError, match="not a size"):
        parse_bytes(text)


def test_every_setting_is_described() -> None:
    assert all(len(text) > 20 for text in SETTINGS.values())
