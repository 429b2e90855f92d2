"""What every command shares: the resolved settings, how to speak, and the store, opened once."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dissect.config import Config, resolve

if TYPE_CHECKING:
    from dissect.store import Store


@dataclass
class State:
    """Global options of this invocation; `config` is resolved on first use, so that `--help` reads no file."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    database: str | None = None
    config_file: Path | None = None
    overrides: dict[str, object] = field(default_factory=dict)
    _config: Config | None = None
    _store: Store | None = None

    @property
    def config(self) -> Config:
        """Defaults, dissect.toml, environment, options: resolved once."""
        if self._config is None:
            options = {"database_url": self.database, **self.overrides}
            self._config = resolve(os.environ, self.config_file, **options)
        return self._config

    def override(self, **options: object) -> None:
        """Options of one command that are settings too; None means not given."""
        self.overrides.update({name: value for name, value in options.items() if value is not None})

    def store(self, *, create: bool = True) -> Store:
        """The database, opened once an invocation."""
        if self._store is None:
            from dissect.store import Store

            self._store = Store.open(self.config.database_url, create=create)
        return self._store

    def close(self) -> None:
        """Close what was opened."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def say(self, text: str) -> None:
        """Words for the person: on stderr, so that stdout holds nothing but data."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def detail(self, text: str) -> None:
        """Words that only --verbose wants."""
        if self.verbose:
            self.say(text)


def local_user() -> str:
    """Who works at this machine, as `name@local`: no access token can have such a name."""
    try:
        return f"{getpass.getuser()}@local"
    except (OSError, KeyError):  # a container may run under a number that has no name
        return f"{os.getuid() if hasattr(os, 'getuid') else 'somebody'}@local"
