"""Requests made from the API's own description: no fault, every answer as described, the database unchanged, no connection elsewhere."""

from __future__ import annotations

import copy
import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Err
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dissect.serve.app import create_app
from dissect.serve.names import segment
from dissect.serve.settings import Settings
from dissect.store import Store
from tests.serve.conftest import HOME
from tests.serve.world import MODEL, ODD

CHECKS = (
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance,
)  # fmt: skip
REQUESTS, LONG = 150, 2_000
KNOWN: dict[str, tuple[object, ...]] = {
    "model": (MODEL, segment(ODD)), "run": ("1", "2", "latest", "ffff"), "layer": ("conv1", "features.0", segment("block.0/conv")),
    "unit": (0, 1, 5, 23, 24), "category": ("object", "color"), "concept": ("car", "~"), "audit": (1,), "sha256": (f"{3:064x}",),
    "q": ("car", "dog", "wheel OR car"), "method": ("netdissect", "milan"), "state": ("ok", "dead"),
    "a": ("1", "2"), "b": ("1", "latest"), "against": ("compositional",),
}  # fmt: skip
_watching: list[list[str]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    """Sees every connection that Python code of this process opens; it cannot be taken away again, only left without a listener."""
    if _watching and event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        for heard in _watching:
            heard.append(f"{event} {arguments[1:]!r}")


sys.addaudithook(_hook)


@contextmanager
def connections() -> Iterator[list[str]]:
    """Everything that was connected to while inside."""
    heard: list[str] = []
    _watching.append(heard)
    try:
        yield heard
    finally:
        _watching.remove(heard)


def content(file: Path) -> str:
    """Hash of a file and of whatever a database leaves beside it."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(file.parent.iterdir()))).hexdigest()


def test_a_connection_would_be_noticed() -> None:
    import socket

    with connections() as heard, socket.socket() as opened:
        opened.settimeout(0.1)
        opened.connect_ex(("127.0.0.1", 9))
    assert len(heard) == 1 and "9" in heard[0]


def test_random_requests_get_described_answers_and_change_nothing(
    world_file: Path, thumbnails: Path, request: pytest.FixtureRequest
) -> None:
    wanted = LONG if request.config.getoption("--long") else REQUESTS
    before, made = content(world_file), 0
    with Store.open(f"sqlite:///{world_file}") as store:
        app = create_app(store, Settings(thumbnails))
        described = known(app.openapi())
        api = schemathesis.openapi.from_dict(described)
        api.app = app
        each = [operation for operations in described["paths"].values() for operation in operations.values()]
        open_ended = sum("parameters" in operation or "requestBody" in operation for operation in each)
        with connections() as heard:
            for found in api.get_all_operations():
                assert not isinstance(found, Err)
                made += tried(found.ok(), -(-wanted // open_ended))
    assert made >= wanted and heard == [] and content(world_file) == before


def known(described: dict[str, Any]) -> dict[str, Any]:
    """The description with names that the database holds offered beside anything else, so that not every answer is "not found"."""
    described = copy.deepcopy(described)
    for operation in (operation for operations in described["paths"].values() for operation in operations.values()):
        for parameter in operation.get("parameters", ()):
            if parameter["name"] in KNOWN:
                parameter["schema"] = {"anyOf": [{"enum": list(KNOWN[parameter["name"]])}, parameter["schema"]]}
    return described


def tried(operation: Any, number: int) -> int:
    """Requests made to one operation."""
    made = 0

    @settings(max_examples=number, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def one(case: Any) -> None:
        nonlocal made
        made += 1
        case.call_and_validate(base_url=HOME, checks=CHECKS)

    one()
    return made
