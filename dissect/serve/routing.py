"""Routes whose answers show one state of the database."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from fastapi.routing import APIRoute

from dissect.serve.read import Reader

READ = "read"
"""The parameter in which endpoints take the `Reader`."""


class OneState(APIRoute):
    """A route that, where it only reads, does so in one transaction.

    A page asks the store some twenty questions, and between two of them a writer may replace a layer.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        reads = set(options.get("methods") or ["GET"]) <= {"GET", "HEAD"} and READ in inspect.signature(endpoint).parameters
        super().__init__(path, _together(endpoint) if reads and not inspect.iscoroutinefunction(endpoint) else endpoint, **options)


def _together(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(endpoint)
    def answer(*arguments: Any, **named: Any) -> Any:
        read: Reader = named[READ]
        with read.together():
            return endpoint(*arguments, **named)

    return answer
