"""What a result depends on, as one number. Another fingerprint is another result, never a silent reuse.

A fingerprint is the SHA-256 of canonical JSON of content hashes and settings: never of a name, a path or a date.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Plain: TypeAlias = "None | bool | int | float | str | Sequence[Plain] | Mapping[str, Plain]"


def canonical(value: Plain) -> str:
    """JSON with sorted keys and no spaces. Floats are written by `repr`, so that 0.005 and 0.0050 agree.

    Raises:
        ValueError: a float is NaN or infinite, or a value is not plain data.
    """
    return json.dumps(_checked(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def fingerprint(value: Plain) -> str:
    """SHA-256 of the canonical JSON of `value`: 64 hex digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def _checked(value: Plain) -> Plain:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} cannot be part of a fingerprint")
        return value
    if isinstance(value, Mapping):
        return {str(key): _checked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_checked(item) for item in value]
    raise ValueError(f"a {type(value).__name__} cannot be part of a fingerprint")
