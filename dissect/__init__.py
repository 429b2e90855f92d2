"""dissect: what every unit of a vision network detects, how sure we are, and how we know.

    run = dissect.run("torchvision:resnet18", data="broden", layers=["layer4"])

Functions of `dissect.api` are loaded when they are first used, so that `import dissect` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dissect.api import Run as Run
    from dissect.api import import_table as import_table
    from dissect.api import open_run as open_run
    from dissect.api import open_store as open_store
    from dissect.api import run as run

__version__ = "0.1.0"
__all__ = ["Run", "__version__", "import_table", "open_run", "open_store", "run"]


def __getattr__(name: str) -> Any:
    if name in ("Run", "import_table", "open_run", "open_store", "run"):
        from dissect import api

        return getattr(api, name)
    raise AttributeError(f"module 'dissect' has no attribute {name!r}")
