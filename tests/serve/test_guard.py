"""Whose requests are answered, how large they may be, and what a browser may do with an answer."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from dissect.serve import settings
from dissect.serve.app import create_app
from dissect.serve.auth import writes_allowed
from dissect.serve.guard import SECURITY, host_name
from dissect.serve.settings import Settings
from dissect.store import Store
from tests.serve.conftest import HOME

ANSWERED = (
    "127.0.0.1", "127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]", "[::1]:8000", "dissect.lab", "dissect.lab:443", "localhost.",
)  # fmt: skip
REFUSED = (
    "", "evil.example", "127.0.0.1.evil.example", "evil.example:8000", "localhost.evil.example", "10.0.0.1", "dissect.lab.evil.example",
    "localhost@evil.example", "evil.example@localhost", "localhost/evil", "localhost:port", "localhost:99999999", "[::1", "::1", "0.0.0.0",
    "127.0.0.1 evil.example", "*", "localhost,evil.example",
)  # fmt: skip
PATHS = ("/", "/units.json", "/api/v1/runs", "/nowhere", "/static/dissect.css", "/t/" + "0" * 64 + ".jpg", "/runs", "/units?limit=0")


@pytest.fixture(scope="module")
def named(world_file: object) -> Iterator[TestClient]:
    """A service that answers to a further name."""
    with Store.open(f"sqlite:///{world_file}") as store:
        yield TestClient(create_app(store, Settings(hosts=("dissect.lab",))), base_url=HOME, follow_redirects=False)


@pytest.mark.parametrize("host", ANSWERED)
def test_names_of_this_machine_and_allowed_ones_are_answered(named: TestClient, host: str) -> None:
    assert named.get("/runs.json", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", REFUSED)
@pytest.mark.parametrize("path", ["/", "/runs.json", "/static/serve.js", "/t/x.jpg"])
def test_any_other_name_is_refused_before_anything_is_read(named: TestClient, host: str, path: str) -> None:
    answer = named.get(path, headers={"Host": host})
    assert answer.status_code == 421 and "detector" not in answer.text


@given(st.text(max_size=40))
def test_no_host_makes_the_check_fail(host: str) -> None:
    assert isinstance(host_name(host), str)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200), ("http://127.0.0.1", 200), ("https://127.0.0.1", 200), ("null", 403), ("http://evil.example", 403), ("", 403),
        ("http://127.0.0.1:8001", 403), ("http://127.0.0.1.evil.example", 403), ("http://localhost", 403), ("ftp://127.0.0.1", 403),
    ],
)  # fmt: skip
def test_only_our_own_origin_may_ask(named: TestClient, origin: str | None, status: int) -> None:
    for method in ("GET", "POST"):
        answer = named.request(method, "/runs.json", headers={} if origin is None else {"Origin": origin})
        assert answer.status_code == (405 if method == "POST" and status == 200 else status)


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("none", "navigate", 200), ("same-origin", "cors", 200), ("cross-site", "navigate", 200), ("cross-site", "no-cors", 403),
        ("cross-site", "cors", 403),
    ],
)  # fmt: skip
def test_another_site_may_link_here_but_not_embed_or_fetch(named: TestClient, site: str, mode: str, status: int) -> None:
    assert named.get("/runs.json", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}).status_code == status


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["127.0.0.1", "evil.example"])
def test_every_answer_carries_the_policy(named: TestClient, path: str, host: str) -> None:
    answer = named.get(path, headers={"Host": host})
    for name, value in SECURITY.items():
        assert answer.headers[name] == value
    assert "cache-control" in answer.headers and "access-control-allow-origin" not in answer.headers


def test_the_policy_lets_in_no_script_or_style_inside_a_page_and_no_frame() -> None:
    policy = SECURITY["Content-Security-Policy"]
    assert "unsafe" not in policy and "http" not in policy and "*" not in policy
    assert policy.startswith("default-src 'none'") and "frame-ancestors 'none'" in policy


def test_what_is_too_large_is_refused(named: TestClient) -> None:
    assert named.get("/m/" + "a" * settings.MOST_PATH).status_code == 414
    assert named.get("/units?q=" + "a" * settings.MOST_QUERY).status_code == 414
    assert named.get("/", headers={"X-Long": "a" * settings.MOST_HEADERS}).status_code == 431
    assert named.post("/runs.json", content=b"a" * (settings.MOST_BODY + 1)).status_code == 413
    assert named.get("/", headers={"Content-Length": "-1"}).status_code == 400
    assert named.get("/runs.json", headers={"Content-Length": "9" * 30}).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=1000000000", "limit=-1", "limit=many", "page=1000000000", "offset=1", "min_iou=nan", "min_iou=inf", "max_q=x",
        "after=nonsense", "after=" + "W" * 3000, "order=random", "detectors=perhaps", "uses=" + "&uses=a" * 9,
        "q=" + " ".join(f"word{n}" for n in range(30)),
    ],
)  # fmt: skip
def test_bounds_are_refused_in_the_one_shape(named: TestClient, query: str) -> None:
    answer = named.get(f"/units.json?{query}")
    error = answer.json()["error"]
    assert answer.status_code == error["status"] == 422 and error["code"] == "invalid" and error["message"]
    assert named.get(f"/units?{query}").status_code == 422


def test_a_cursor_of_a_thousand_brackets_is_no_cursor(named: TestClient) -> None:
    deep = base64.urlsafe_b64encode(b"[" * 2_900).decode()
    assert named.get(f"/units.json?after={deep}").status_code == 422


def test_a_body_without_a_length_is_cut_off(world_file: object) -> None:
    with Store.open(f"sqlite:///{world_file}") as store:
        app = create_app(store, Settings(allow_writes=True))
        add_writer(app)
        client = TestClient(app, base_url=HOME)
        assert client.post("/write", content=(b"a" * 1000 for _ in range(100))).status_code in (400, 413)
        assert client.post("/write", content=b"ab").json() == 2


def add_writer(app: FastAPI) -> None:
    """A route that changes something, as far as the service knows."""
    @app.post("/write", dependencies=[Depends(writes_allowed)])
    async def write(request: Request) -> int:
        return len(await request.body())


def test_a_writing_route_is_refused_unless_writes_are_allowed(world_file: object) -> None:
    with Store.open(f"sqlite:///{world_file}") as store:
        app = create_app(store, Settings())
        add_writer(app)
        answer = TestClient(app, base_url=HOME).post("/write")
        assert answer.status_code == 403 and "--allow-writes" in answer.text


def test_a_fault_of_ours_shows_no_traceback(world_file: object, caplog: pytest.LogCaptureFixture) -> None:
    with Store.open(f"sqlite:///{world_file}") as store:
        app = create_app(store, Settings())

        @app.get("/api/v1/broken")
        def broken() -> None:
            raise RuntimeError("secret of the inside")

        answer = TestClient(app, base_url=HOME).get("/api/v1/broken")
        assert answer.status_code == 500 and answer.json()["error"]["code"] == "fault" and "secret" not in answer.text
        assert answer.headers["X-Frame-Options"] == "DENY" and "secret of the inside" in caplog.text
