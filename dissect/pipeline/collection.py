"""Python's search for cyclic garbage, put off while results are turned into rows and pages.

That makes millions of small objects at once, none of them in a cycle, beside all that the libraries hold: looking through them again
and again takes a quarter of the time.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """No search for cycles inside, as it was outside."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
