"""Every error this package raises on purpose, and the exit code of the command line for it.

    DissectError                     1   the work failed
    ├── UsageError                   2   the call itself is wrong: an option, a name, a value
    │   ├── NotSupportedError        2   understood, and not offered
    │   └── FormulaError             2   the text or the plain form of a formula cannot be read; the place is named
    ├── NotFoundError                4   asked for something that is not there
    ├── MissingExtraError            1   an optional package is not installed; the message says how to get it
    ├── CardError                    1   a data-set or network card is malformed
    ├── DataError                    1   a probe data set is malformed
    │   ├── ImageError               1   one image cannot be used (skipped when its neighbours are good)
    │   └── LabelMapError            1   one label map cannot be used (skipped when its neighbours are good)
    ├── NetworkError                 1   a network cannot be built, or does not behave as one
    │   ├── CheckpointError          1   a weights file cannot be read safely, or does not fit
    │   ├── LayerError               4   no such layer, or its output cannot be read as units
    │   └── ActivationError          1   NaN or infinite activations; layer, unit and image are named
    ├── ShapeError                   1   arrays that do not agree
    ├── CountError                   1   counts that no data can give
    ├── CacheError                   1   a cache file is damaged and could not be redone
    ├── StorageError                 1   a file could not be written: disk full, read-only, I/O error
    └── StoreError                   1   the database refuses
        ├── SchemaError              5   the database needs `dissect db upgrade`
        ├── UnavailableError         1   the database is busy or out of reach: the same may work later
        ├── TooSlowError             1   a question took longer than it may
        └── LeaseLostError           1   another worker took over this shard or job; its result stands

A message says what, where, and what to do. The cause is chained.
"""

from __future__ import annotations


class DissectError(Exception):
    """The work failed."""

    exit_code = 1


class UsageError(DissectError):
    """The call itself is wrong: an option, a name, a value."""

    exit_code = 2


class NotSupportedError(UsageError):
    """Understood, and not offered."""


class FormulaError(UsageError):
    """The text or the plain form of a formula cannot be read.

    position: index of the character at which reading stopped; None where there is no text.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class NotFoundError(DissectError):
    """Asked for something that is not there."""

    exit_code = 4


class MissingExtraError(DissectError):
    """An optional package is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional package. Install it with: pip install 'neuron-dissect[{extra}]'")


class CardError(DissectError):
    """A data-set or network card is malformed."""


class DataError(DissectError):
    """A probe data set is malformed."""


class ImageError(DataError):
    """One image cannot be used."""


class LabelMapError(DataError):
    """One label map cannot be used."""


class NetworkError(DissectError):
    """A network cannot be built, or does not behave as one."""


class CheckpointError(NetworkError):
    """A weights file cannot be read safely, or does not fit the network."""


class LayerError(NetworkError):
    """No such layer, or its output cannot be read as units."""

    exit_code = 4


class ActivationError(NetworkError):
    """NaN or infinite activations."""


class ShapeError(DissectError):
    """Arrays do not agree in shape."""


class CountError(DissectError):
    """Counts that no data can give."""


class CacheError(DissectError):
    """A cache file is damaged and could not be redone."""


class StorageError(DissectError):
    """A file could not be written."""


class StoreError(DissectError):
    """The database refuses."""


class SchemaError(StoreError):
    """The database needs `dissect db upgrade`."""

    exit_code = 5


class UnavailableError(StoreError):
    """The database is busy or out of reach: the same may work later."""


class TooSlowError(StoreError):
    """A question took longer than it may."""


class LeaseLostError(StoreError):
    """Another worker took over this shard or job; its result stands."""
