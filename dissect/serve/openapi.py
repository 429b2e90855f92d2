"""The API's description as a file: `python -m dissect.serve.openapi > docs/openapi.json`. A test keeps the two equal."""

from __future__ import annotations

import json
import sys

from dissect.serve.app import create_app
from dissect.serve.settings import Settings
from dissect.store import Store


def described() -> str:
    """OpenAPI 3.1 of a service over an empty database in memory; the description depends on no data."""
    with Store.open("sqlite://") as store:
        return json.dumps(create_app(store, Settings()).openapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(described())
