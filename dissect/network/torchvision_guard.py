"""The only importer of torchvision.

Beside a CPU build of torch, the torchvision of the package index has no compiled operators, and its import fails with
`operator torchvision::nms does not exist`; transformers' vision classes then fail too. Models and transforms need none of these
operators, so their schemas are defined first, on exactly that error, and the import is tried again.
"""

from __future__ import annotations

import functools
import sys
from types import ModuleType

from dissect.errors import NetworkError

_OPERATORS = ("nms", "qnms")
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_MISSING = "torchvision::"
_LIBRARIES: list[object] = []
"""A definition lives as long as its library object."""


@functools.cache
def load_torchvision() -> ModuleType:
    """torchvision, whole or guarded. Call it before anything that imports torchvision itself (timm, transformers' vision classes).

    Raises:
        NetworkError: torchvision is absent, or broken in a way that this cannot mend.
    """
    try:
        return _import()
    except RuntimeError as error:
        if "operator " + _MISSING not in str(error) or "does not exist" not in str(error):
            raise NetworkError(_broken(error)) from error
    _forget_halves()
    define_operators()
    try:
        return _import()
    except RuntimeError as error:
        raise NetworkError(_broken(error)) from error


def guarded() -> bool:
    """Whether the operators had to be stood in for."""
    return bool(_LIBRARIES)


def define_operators() -> None:
    """Define the schemas of the operators that torchvision registers fakes for, without any code behind them."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in _OPERATORS:
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + _SCHEMA)  # type: ignore[no-untyped-call]
    _LIBRARIES.append(library)


def _import() -> ModuleType:
    try:
        import torchvision
    except ImportError as error:
        raise NetworkError(_broken(error)) from error
    module: ModuleType = torchvision
    return module


def _forget_halves() -> None:
    """Drop the modules that the failed import left half done, or the second import would find them and stop."""
    for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
        del sys.modules[name]


def _broken(error: Exception) -> str:
    return (
        f"torchvision cannot be imported: {error}. Install the build that fits this torch "
        "(pip install --force-reinstall torch torchvision), or name the network by package.module:factory, which needs no torchvision."
    )
