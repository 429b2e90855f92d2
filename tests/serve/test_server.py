"""The server as a program: it says where it is, ends when it is told to, and outlasts slow clients and a thousand connections."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dissect.cli.main import call
from dissect.errors import UsageError
from dissect.serve.server import PATIENCE, address_of, listen
from tests.serve.running import Running, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def service(world_file: Path, thumbnails: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service with pictures."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(thumbnails, home / "cache" / "thumbs")
    with running(world_file, home) as found:
        yield found


def raw(service: Running, request: bytes, seconds: float = 10.0) -> bytes:
    """What comes back for these bytes until the server closes; nothing where it cuts the connection."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=seconds) as opened:
        found = b""
        with contextlib.suppress(ConnectionError):
            opened.sendall(request)
            while part := opened.recv(65_536):
                found += part
        return found


def ask(path: str, *headers: str) -> bytes:
    """A request as bytes, nothing tidied up."""
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers, "", "")).encode("latin-1")


def test_it_answers_pages_data_and_pictures(service: Running) -> None:
    with httpx.Client(base_url=service.address) as client:
        assert client.get("/").status_code == 200
        unit = client.get("/m/tiny/r/1/conv1/0.json").json()
        assert client.get(unit["exemplars"][0]["thumbnail"]).headers["content-type"] == "image/jpeg"
        assert "server" not in client.get("/").headers


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd", "/static/../app.py", "/static/../../../../etc/passwd", "/t/../../dissect.db", "//etc/passwd", "*",
        "/static/..%2f..%2fapp.py", "/m/../../etc/passwd", "http://evil.example/etc/passwd", "/t/%00.jpg", "/static/%C0%AE%C0%AE/app.py",
        "/%2e%2e/etc/passwd",
    ],
)  # fmt: skip
def test_paths_that_no_client_tidied_up_read_nothing(service: Running, path: str) -> None:
    answer = raw(service, ask(path))
    assert answer.split(b" ", 2)[1] in (b"400", b"404", b"405"), answer[:200]
    assert b"root:" not in answer and b"import" not in answer and b"SQLite" not in answer


def test_huge_heads_are_refused_and_nothing_is_echoed(service: Running) -> None:
    assert raw(service, ask("/", "X-Long: " + "a" * 15_000 + "z" * 3_000))[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 400")
    assert raw(service, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X-More: yes\r\n" * 20_000)[:12] in (b"HTTP/1.1 400", b"")
    assert raw(service, b"nonsense\r\n\r\n")[:12] == b"HTTP/1.1 400"
    assert raw(service, b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")[:12] == b"HTTP/1.1 421"
    assert raw(service, b"GET / HTTP/1.0\r\n\r\n")[:12] == b"HTTP/1.1 421", "no Host at all"


def test_a_thousand_idle_connections_do_not_keep_others_out_and_are_closed(service: Running, request: pytest.FixtureRequest) -> None:
    wanted = 1_000 if request.config.getoption("--long") else 300
    files, memory = service.files(), service.memory()
    idle = [socket.create_connection(("127.0.0.1", service.port), timeout=30) for _ in range(wanted)]
    try:
        for number, opened in enumerate(idle):
            opened.sendall((b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")[number % 3])
        with httpx.Client(base_url=service.address, timeout=10) as client:
            assert all(client.get("/m/tiny/r/1/conv1/0").status_code == 200 for _ in range(5))
        assert service.files() >= files + wanted - 5
        deadline = time.monotonic() + PATIENCE + 10
        while service.files() > files + 5 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert service.files() <= files + 5, "all of them were closed"
    finally:
        for opened in idle:
            opened.close()
    assert httpx.get(service.address).status_code == 200
    assert service.memory() < memory + 60_000_000, "memory comes back"


def test_a_client_that_sends_a_byte_a_second_is_closed(service: Running) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as opened:
        begun = time.monotonic()
        with pytest.raises(OSError):
            for byte in b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + b"a" * 60:
                opened.sendall(bytes([byte]))
                time.sleep(0.5)
        assert PATIENCE - 1 < time.monotonic() - begun < PATIENCE + 5


def test_ctrl_c_ends_it_at_once_and_well(world_file: Path, tmp_path: Path) -> None:
    with running(world_file, tmp_path) as service:
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(15) == 0


def test_an_address_in_use_is_said_in_words(service: Running, capsys: pytest.CaptureFixture[str], world_file: Path) -> None:
    assert call(["--db", f"sqlite:///{world_file}", "serve", "--port", str(service.port)]) == 2
    assert "Choose another --port" in capsys.readouterr().err
    with pytest.raises(UsageError):
        listen("192.0.2.1", 0)
    with listen("127.0.0.1", 0) as opened:
        assert address_of(opened).startswith("http://127.0.0.1:")


def test_without_a_database_it_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["--db", f"sqlite:///{tmp_path / 'none.db'}", "serve", "--port", "0"]) == 4
    assert "dissect demo" in capsys.readouterr().err


def test_without_the_extra_it_says_how_to_get_it(tmp_path: Path) -> None:
    code = "import sys; sys.modules['fastapi'] = None\nfrom dissect.cli.main import call\nsys.exit(call(['--json', 'serve']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1 and "pip install 'neuron-dissect[serve]'" in json.loads(done.stdout)["error"]["message"]
