"""Who may write (trust.md S5): every writing route, found from the application itself, against every wrong way to ask."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fastapi.routing
import pytest
from starlette.testclient import TestClient

from dissect.serve.app import create_app
from dissect.serve.sessions import COOKIE, Sessions
from dissect.serve.settings import Settings
from dissect.store import Store
from dissect.store.tokens import TokenBook
from tests.store.made_up_runs import save_run

ORIGIN = "http://127.0.0.1"
SEGMENTS = {"model": "tiny", "run": "1", "layer": "conv1", "unit": "0", "job": "1"}
BODIES: dict[str, dict[str, Any]] = {
    "/reviews": {"verdict": "accept"}, "/jobs": {"model": "demo", "data": "demo"}, "/cancel": {}, "/resume": {}, "/login": {},
    "/logout": {},
}  # fmt: skip
"""End of a writing path -> a body that would be right."""
READS = {"GET", "HEAD", "OPTIONS"}


@dataclass
class Place:
    """A service that lets writes in, its store, and tokens by name."""

    store: Store
    client: TestClient
    secrets: dict[str, str] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)

    @property
    def sessions(self) -> Sessions:
        found: Sessions = self.client.app.state.sessions  # type: ignore[attr-defined]
        return found

    def session(self, name: str) -> tuple[dict[str, str], str]:
        """Headers of a browser that is logged in with a token, and the word of its forms."""
        value = self.sessions.make(self.ids[name])
        return {"Cookie": f"{COOKIE}={value}", "Origin": ORIGIN}, self.sessions.form_word(value)

    def bearer(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secrets[name]}"}


def client_of(store: Store, **changes: Any) -> TestClient:
    """A browser or program before a service over a store."""
    return TestClient(create_app(store, Settings(**changes)), base_url=ORIGIN, follow_redirects=False)


@pytest.fixture
def place(sqlite_store: Store) -> Iterator[Place]:
    save_run(sqlite_store)
    sqlite_store.jobs().submit({"model": "demo", "data": "demo"}, "ann@local")
    with client_of(sqlite_store, allow_writes=True) as client:
        found = Place(sqlite_store, client)
        book = sqlite_store.tokens()
        past = TokenBook(sqlite_store.engine, lambda: datetime.now(UTC) - timedelta(days=9))
        for name, scope, made_by in (
            ("reader", "read", book), ("reviewer", "review", book), ("submitter", "jobs", book), ("root", "admin", book),
            ("revoked", "admin", book), ("expired", "admin", past),
        ):  # fmt: skip
            record, secret = made_by.create(name, [scope], days=1)
            found.secrets[name], found.ids[name] = secret, record.id
        book.revoke("revoked")
        yield found


def writing_routes(place: Place) -> list[tuple[str, str]]:
    """(method, path) of every route that is no reading one, with its segments filled in. Newer FastAPI keeps included routers apart."""
    application: Any = place.client.app
    each = getattr(fastapi.routing, "iter_route_contexts", iter)
    found = []
    for route in each(application.routes):
        for method in sorted((route.methods or set()) - READS):
            found.append((method, re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: SEGMENTS[match.group(1)], route.path)))
    return found


def body(path: str) -> dict[str, Any]:
    return next(found for end, found in BODIES.items() if path.endswith(end))


def is_api(path: str) -> bool:
    return path.startswith("/api/")


def ask(place: Place, method: str, path: str, headers: dict[str, str], word: str | None = None, client: TestClient | None = None) -> int:
    """Send what would be right but for the headers; the status."""
    values = body(path)
    if is_api(path):
        return (client or place.client).request(method, path, json=values, headers=headers).status_code
    form = values if word is None else {**values, "word": word}
    return (client or place.client).request(method, path, data=form, headers=headers).status_code


def tampered(headers: dict[str, str]) -> dict[str, str]:
    """The same cookie for the token after it."""
    name, number, rest = re.fullmatch(r"(\w+=)(\d+)(\..*)", headers["Cookie"]).groups()  # type: ignore[union-attr]
    return {**headers, "Cookie": f"{name}{int(number) + 1}{rest}"}


def wrong_ways(place: Place) -> dict[str, tuple[dict[str, str], str | None]]:
    """What is wrong -> headers and the word of the form."""
    good, word = place.session("root")
    _, other = place.session("root")
    ways: dict[str, tuple[dict[str, str], str | None]] = {"nothing": ({"Origin": ORIGIN}, None)}
    for name in ("reader", "revoked", "expired"):
        ways[f"bearer {name}"] = (place.bearer(name), None)
        ways[f"session {name}"] = place.session(name)
    ways |= {
        "bearer garbage": ({"Authorization": "Bearer dissect_x"}, None), "bearer empty": ({"Authorization": "Bearer"}, None),
        "basic": ({"Authorization": f"Basic {place.secrets['root']}"}, None),
        "half a secret": ({"Authorization": f"Bearer {place.secrets['root'][:-1]}"}, None),
        "cookie garbage": ({"Cookie": f"{COOKIE}=1.2.3", "Origin": ORIGIN}, word),
        "cookie of another": (tampered(place.session("reader")[0]), word),
        "no word": (good, None), "wrong word": (good, "0" * 64), "word of another session": (good, other), "odd word": (good, "é\x7f"),
        "no origin": ({"Cookie": good["Cookie"]}, word),
        "another origin": ({**good, **place.bearer("root"), "Origin": "http://evil.example"}, word),
        "null origin": ({**good, **place.bearer("root"), "Origin": "null"}, word),
        "another port's origin": ({**good, **place.bearer("root"), "Origin": "http://127.0.0.1:81"}, word),
        "another host": ({**good, **place.bearer("root"), "Host": "evil.example"}, word),
    }  # fmt: skip
    return ways


def test_every_writing_route_refuses_every_wrong_way_and_nothing_is_written(place: Place) -> None:
    before, tried = place.store.counts(), 0
    wanted = writing_routes(place)
    for method, path in wanted:
        for what, (headers, word) in wrong_ways(place).items():
            if path == "/login" and what in ("no word", "wrong word", "word of another session", "odd word"):
                continue  # there is no session yet that a form could belong to
            status = ask(place, method, path, headers, word)
            assert status in (401, 403) or (what == "another host" and status == 421), (method, path, what, status)
            tried += 1
    assert len(wanted) >= 9 and tried > 150
    assert place.store.counts() == before
    assert place.store.jobs().job(1).state == "queued"


def test_every_writing_route_is_closed_where_writes_are_off(place: Place) -> None:
    with client_of(place.store) as closed:
        for method, path in writing_routes(place):
            headers, word = place.session("root")
            assert ask(place, method, path, {**headers, **place.bearer("root")}, word, closed) == 403, (method, path)
    assert place.store.jobs().job(1).state == "queued"


def test_the_same_requests_are_let_in_with_the_right_token(place: Place) -> None:
    """Without this, routes that refuse everything would pass the tests above."""
    for method, path in writing_routes(place):
        headers, word = place.session("root")
        if path == "/login":
            answer = place.client.post(path, data={"token": place.secrets["root"]}, headers=headers)
            assert answer.status_code == 303 and "HttpOnly" in answer.headers["set-cookie"]
            continue
        if path.endswith("/resume"):
            place.store.jobs().cancel(1)
        status = ask(place, method, path, place.bearer("root") if is_api(path) else headers, word)
        assert status in (200, 201, 303), (method, path, status)
    assert place.store.counts()["review"] == 2 and place.store.counts()["job"] == 3


@pytest.mark.parametrize(("name", "path", "status"), [
    ("reviewer", "/api/v1/jobs", 403), ("submitter", "/api/v1/jobs", 201),
    ("submitter", "/api/v1/m/tiny/r/1/conv1/0/reviews", 403), ("reviewer", "/api/v1/m/tiny/r/1/conv1/0/reviews", 201),
])  # fmt: skip
def test_a_scope_opens_its_own_routes_only(place: Place, name: str, path: str, status: int) -> None:
    assert ask(place, "POST", path, place.bearer(name)) == status


def test_a_session_ends_with_its_token_and_with_time(place: Place) -> None:
    headers, word = place.session("reviewer")
    path = "/m/tiny/r/1/conv1/0/reviews"
    assert ask(place, "POST", path, headers, word) == 303
    place.store.tokens().revoke("reviewer")
    assert ask(place, "POST", path, headers, word) == 401
    now = 1000.0
    sessions = Sessions(lambda: now)
    value = sessions.make(7)
    assert sessions.read(value) == 7
    now += 13 * 3600
    assert sessions.read(value) is None
    assert Sessions().read(Sessions().make(7)) is None


def test_a_log_in_leads_back_to_the_page_and_nowhere_else(place: Place) -> None:
    log_in: Callable[[str], Any] = lambda address: place.client.post(  # noqa: E731
        "/login", data={"token": place.secrets["reviewer"], "next": address}, headers={"Origin": ORIGIN}
    )
    assert log_in("/m/tiny/r/1/conv1/0").headers["location"] == "/m/tiny/r/1/conv1/0"
    for hostile in (
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/x\r\nSet-Cookie: a=b",
        "/a?b",
        "",
    ):
        assert log_in(hostile).headers["location"] == "/", hostile
    cookie = log_in("/").headers["set-cookie"]
    assert "SameSite=strict" in cookie and "HttpOnly" in cookie and "Secure" not in cookie
    assert place.secrets["reviewer"] not in cookie
    https = place.client.post("/login", data={"token": place.secrets["reviewer"]}, headers={"Origin": "https://127.0.0.1"})
    assert "Secure" in https.headers["set-cookie"]


def test_a_review_by_form_stands_on_the_page_with_its_author(place: Place) -> None:
    headers, word = place.session("reviewer")
    page = place.client.get("/m/tiny/r/1/conv1/0", headers=headers).text
    assert f'value="{word}"' in page and 'action="/m/tiny/r/1/conv1/0/reviews"' in page
    form = {"word": word, "verdict": "relabel", "relabel": "<b>parked</b> cars", "comment": "<script>alert(1)</script>", "seen": "car"}
    answer = place.client.post("/m/tiny/r/1/conv1/0/reviews", data=form, headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/m/tiny/r/1/conv1/0#review")
    page = place.client.get("/m/tiny/r/1/conv1/0").text
    assert "reviewer" in page and "&lt;script&gt;" in page and "<script>alert" not in page and "<b>parked" not in page
    assert place.client.post("/m/tiny/r/1/conv1/0/reviews", data={**form, "seen": "dog"}, headers=headers).status_code == 422
    (found,) = place.client.get("/api/v1/m/tiny/r/1/conv1/0/reviews").json()["reviews"]
    assert (found["reviewer"], found["verdict"], found["relabel"]) == ("reviewer", "relabel", "<b>parked</b> cars")
    assert place.client.get("/api/v1/m/tiny/r/1/conv1/0").json()["reviews"] == [found]
    assert [unit["unit"] for unit in place.client.get("/api/v1/units?reviewed=relabelled").json()["units"]] == [0]


def test_a_reader_sees_no_form(place: Place) -> None:
    for path in ("/m/tiny/r/1/conv1/0", "/jobs", "/jobs/1"):
        page = place.client.get(path).text
        assert 'method="post"' not in page and f'href="/login?next={path}"' in page
    with client_of(place.store) as closed:
        for path in ("/m/tiny/r/1/conv1/0", "/jobs", "/jobs/1"):
            assert "/login" not in closed.get(path).text


def test_jobs_name_registered_things_and_nothing_else(place: Place, tmp_path: Path) -> None:
    (tmp_path / "evil.toml").write_text("name = 'evil'\nsource = 'os:system'\n")
    headers = place.bearer("submitter")
    hostile = (
        "../../etc/passwd",
        str(tmp_path / "evil.toml"),
        "torchvision:resnet18",
        "os:system",
        "http://evil.example/x",
        "",
        "a\0b",
        "demo/..",
    )
    for name in hostile:
        for field_name in ("model", "data"):
            asked = {"model": "demo", "data": "demo", field_name: name}
            assert place.client.post("/api/v1/jobs", json=asked, headers=headers).status_code in (404, 422), (field_name, name)
    for extra in (
        {"weights": "x.pt"},
        {"trust": True},
        {"split": "../x"},
        {"split": "/etc"},
        {"layers": ["a[b]"]},
        {"limit": 0},
        {"limit": 2**40},
    ):
        assert place.client.post("/api/v1/jobs", json={"model": "demo", "data": "demo", **extra}, headers=headers).status_code == 422, extra
    assert place.store.counts()["job"] == 1


def test_a_job_by_form_is_listed_cancelled_and_resumed(place: Place) -> None:
    headers, word = place.session("submitter")
    page = place.client.get("/jobs", headers=headers).text
    assert "<option>demo</option>" in page
    form = {"word": word, "model": "demo", "data": "demo", "layers": "layer6", "limit": "20", "compositional": "true"}
    answer = place.client.post("/jobs", data=form, headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs/2")
    job = place.store.jobs().job(2)
    assert job.request == {"model": "demo", "data": "demo", "layers": ["layer6"], "limit": 20, "methods": ["netdissect", "compositional"]}
    assert job.submitted_by == "submitter"
    assert place.client.post("/jobs", data={**form, "limit": "many"}, headers=headers).status_code == 422
    seen = place.client.get("/jobs/2", headers=headers)
    assert "Cancel" in seen.text and seen.headers["refresh"] == "5"
    for step, state, button in (("cancel", "cancelled", "Resume"), ("resume", "queued", "Cancel")):
        assert place.client.post(f"/jobs/2/{step}", data={"word": word}, headers=headers).status_code == 303
        assert place.store.jobs().job(2).state == state
        assert button in place.client.get("/jobs/2", headers=headers).text
    assert [row["id"] for row in place.client.get("/api/v1/jobs").json()["jobs"]] == [2, 1]
    assert place.client.get("/api/v1/jobs?limit=1").json()["next"] == 2
    assert place.client.get("/api/v1/jobs/9").status_code == 404
