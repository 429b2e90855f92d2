"""`dissect serve` as a program of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


@dataclass
class Running:
    """A service that answers at `address`. port: the same as a number."""

    address: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        port = urlsplit(self.address).port
        assert port is not None
        return port

    def memory(self) -> int:
        """Resident bytes."""
        fields = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    def files(self) -> int:
        """Open files and connections."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


@contextlib.contextmanager
def running(database: Path, home: Path, *options: str) -> Iterator[Running]:
    """The service over a database, on a free port, ended with Ctrl-C at the end."""
    words = ["--json", "--db", f"sqlite:///{database}", "serve", "--port", "0", *options]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DISSECT_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "dissect", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**kept, "DISSECT_HOME": str(home)}, cwd=home,
    )  # fmt: skip
    try:
        yield Running(_address(process), process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if line.startswith("}"):
            address: str = json.loads(text)["address"]
            return address
    raise AssertionError(f"the service did not start: {process.communicate()[1]}")
